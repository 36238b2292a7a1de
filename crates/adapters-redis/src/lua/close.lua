-- Removes the gate of an event that is no longer sold. To repeat it is safe.
--
-- The generation stays and grows, even if there was no gate: so a rebuild that
-- read the store before the event was deleted, or an `open` that was on its way
-- then, finds it and gives up instead of bringing the gate back. It leaves by
-- its own time to live.

redis.call('DEL', bucket, leases, leased_seats)
changed()
return 1
