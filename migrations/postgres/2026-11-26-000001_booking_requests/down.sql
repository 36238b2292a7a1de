ALTER TABLE bookings DROP COLUMN request_id;
