DROP TABLE deletions_pending, booking_totals, event_sales, idempotency_keys, bookings, events, users;
