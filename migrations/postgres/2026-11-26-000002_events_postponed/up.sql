-- An event that had started may be moved to the future: then bookings that were
-- past are to come, and those that erased users have of it are to be cancelled.
-- A booking changes other columns and does not come by here.
--
-- Whoever looks for such bookings and finds none empties erasures_pending. The
-- advisory lock, "past" in ASCII, shared among those who move events, keeps them
-- from looking at a state in which the event was past and emptying the table
-- after this has looked into it. Rows go in by user_id, so that two who move
-- events do not wait for each other in a circle.
CREATE FUNCTION await_cancellations_of_postponed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(x'70617374'::bigint);
    INSERT INTO erasures_pending (user_id)
    SELECT u.id FROM users u
    WHERE u.erased_at IS NOT NULL AND u.id IN (
        SELECT b.user_id FROM bookings b
        WHERE b.event_id = new.id AND b.status = 'CONFIRMED'
    )
    ORDER BY u.id
    ON CONFLICT (user_id) DO NOTHING;
    RETURN NULL;
END
$$;

CREATE TRIGGER events_postponed AFTER UPDATE OF start_at ON events
    FOR EACH ROW WHEN (new.start_at > old.start_at AND new.deleted_at IS NULL)
    EXECUTE FUNCTION await_cancellations_of_postponed();
