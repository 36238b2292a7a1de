DROP TABLE sales_paused;
DROP INDEX events_paused;
ALTER TABLE events DROP COLUMN sales_paused_at;
