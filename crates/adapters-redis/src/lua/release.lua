-- Ends a lease whose seats were not sold: the tokens go back.
--
-- ARGV: reservation. Ending the lease and giving the tokens back are one step,
-- so to repeat it is safe: without a lease nothing happens.
--
-- A lease that ran out but was not dropped yet still gives its tokens back:
-- the bucket lacks them as long as the lease is there, because rebuilding the
-- bucket drops such leases.

local reservation = ARGV[1]

local seats = redis.call('HGET', leased_seats, reservation)
if redis.call('ZREM', leases, reservation) == 1 then
  redis.call('HDEL', leased_seats, reservation)
  if seats and tokens() then redis.call('INCRBY', bucket, seats) end
  changed()
end
return 1
