-- Takes tokens and leases them to a reservation.
--
-- ARGV: reservation, seats, how long the lease lasts in milliseconds.
-- Gives {'granted', …}, {'refused', tokens left} or {'unknown', …}.
--
-- Looking and taking are one step, so the last token goes to one taker. To
-- repeat it is safe: a reservation that holds a lease takes nothing again.

local reservation, seats, lease_ttl_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

-- `pcall` gives a table where a human has put something of another type. Then
-- the gate does not know; whoever reads it next removes that.
local lease = redis.pcall('ZSCORE', leases, reservation)
if type(lease) == 'table' then return { 'unknown', 0 } end
if lease then return { 'granted', 0 } end

local left = tokens()
if not left then return { 'unknown', 0 } end
-- An operator's SET takes away the time to live. That of an event which is
-- upcoming is looked after; others would stay for ever.
if redis.call('PTTL', bucket) == -1 then redis.call('PEXPIRE', bucket, KEEP_MS) end
if left < seats then return { 'refused', left } end

if type(redis.pcall('HSET', leased_seats, reservation, seats)) == 'table' then
  return { 'unknown', 0 }
end
redis.call('ZADD', leases, now_ms() + lease_ttl_ms, reservation)
redis.call('DECRBY', bucket, seats)
-- Far longer than any lease: only so that nothing stays for ever.
redis.call('PEXPIRE', leases, DAY_MS)
redis.call('PEXPIRE', leased_seats, DAY_MS)
return { 'granted', 0 }
