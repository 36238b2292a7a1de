-- Ends a lease whose seats were sold: the tokens stay spent.
--
-- ARGV: reservation. To repeat it is safe: without a lease nothing happens.

local reservation = ARGV[1]

if redis.call('ZREM', leases, reservation) == 1 then
  redis.call('HDEL', leased_seats, reservation)
  changed()
end
return 1
