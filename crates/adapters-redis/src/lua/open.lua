-- Opens the gate of a new event: one to which nothing has happened yet.
--
-- ARGV: seats left. To repeat it is safe: a bucket that exists, whatever is in
-- it, stays. A gate that has a generation was opened before, or closed because
-- the event was deleted meanwhile: this call comes late and does nothing.

if redis.call('EXISTS', generation) == 1 then return 0 end
if redis.call('SET', bucket, ARGV[1], 'PX', KEEP_MS, 'NX') then changed() end
return 1
