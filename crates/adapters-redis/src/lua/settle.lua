-- Ends a lease whose seats were sold, or may be: the tokens stay spent.
--
-- ARGV: reservation. To repeat it is safe: without a lease nothing happens.

local reservation = ARGV[1]

-- `pcall`: keys of another type hold no lease.
redis.pcall('ZREM', leases, reservation)
redis.pcall('HDEL', leased_seats, reservation)
return 1
