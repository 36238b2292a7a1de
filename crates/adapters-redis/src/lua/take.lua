-- Takes tokens and leases them to a reservation.
--
-- ARGV: reservation, seats, how long the lease lasts in milliseconds.
-- Gives {'granted', …}, {'refused', tokens left} or {'unknown', …}.
--
-- Looking and taking are one step, so the last token goes to one taker. To
-- repeat it is safe: a reservation that holds a lease takes nothing again.

local reservation, seats, lease_ttl_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

if redis.call('ZSCORE', leases, reservation) then return { 'granted', 0 } end

local left = tokens()
if not left then return { 'unknown', 0 } end
if left < seats then return { 'refused', left } end

changed()
redis.call('DECRBY', bucket, seats)
redis.call('ZADD', leases, now_ms() + lease_ttl_ms, reservation)
redis.call('HSET', leased_seats, reservation, seats)
-- Far longer than any lease: only so that nothing stays for ever.
redis.call('PEXPIRE', leases, DAY_MS)
redis.call('PEXPIRE', leased_seats, DAY_MS)
return { 'granted', 0 }
