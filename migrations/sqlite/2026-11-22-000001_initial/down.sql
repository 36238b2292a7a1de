DROP TABLE deletions_pending;
DROP TABLE booking_totals;
DROP TABLE event_sales;
DROP TABLE idempotency_keys;
DROP TABLE bookings;
DROP TABLE events;
DROP TABLE users;
