-- Ends a lease whose seats were not sold: the tokens go back.
--
-- ARGV: reservation. Ending the lease and giving the tokens back are one step,
-- so to repeat it is safe: without a lease nothing happens.
--
-- A lease that ran out but was not dropped yet still gives its tokens back: it
-- counts as leased for whoever raises the bucket as long as it is there.

local reservation = ARGV[1]

-- `pcall`: keys of another type hold no lease.
local seats = redis.pcall('HGET', leased_seats, reservation)
redis.pcall('HDEL', leased_seats, reservation)
if redis.pcall('ZREM', leases, reservation) == 1 and type(seats) == 'string' and tokens() then
  redis.pcall('INCRBY', bucket, seats)
end
return 1
