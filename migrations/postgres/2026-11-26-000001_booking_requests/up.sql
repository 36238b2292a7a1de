-- Which request made a booking, so that a process whose connection broke at COMMIT
-- finds out whether it did. An id alone would not tell: a failover may lose
-- one and give it again. NULL for bookings of older processes, of an import, and
-- those inserted by hand. Never looked for by itself, hence no index. Only adds, and
-- changes no row.
ALTER TABLE bookings ADD COLUMN request_id UUID;
