-- Says how the gate stands: {tokens or nil, leases, seats leased, generation}.
--
-- First it drops leases that ran out. All of it is one step, so the numbers
-- belong together. To repeat it is safe: what is dropped is gone.

mend_leases()
drop_leases_run_out()

-- Who reads looks after the gate, so it lives on. An operator's SET takes away
-- the time to live (-1); there is nothing to renew without a bucket (-2).
local left_ms = redis.call('PTTL', bucket)
if left_ms ~= -2 and left_ms < KEEP_MS / 2 then redis.call('PEXPIRE', bucket, KEEP_MS) end

return { tokens() or false, redis.call('ZCARD', leases), seats_leased(), current_generation() }
