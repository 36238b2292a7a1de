DROP TRIGGER events_postponed ON events;
DROP FUNCTION await_cancellations_of_postponed();
