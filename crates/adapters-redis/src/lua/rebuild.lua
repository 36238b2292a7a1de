-- Sets the bucket to the seats left in the store, if the gate did not change
-- since it was read and no lease is out. Gives 1 if it did, else 0.
--
-- ARGV: seats left, beginning of the event in milliseconds, generation read.
--
-- Comparing and setting are one step, so no taker comes between. To repeat it
-- is safe: the first run moves the generation on, so the second does nothing
-- (and says so, although the bucket is right).

if current_generation() ~= ARGV[3] then return 0 end
if redis.call('ZCOUNT', leases, '(' .. string.format('%.0f', now_ms()), '+inf') > 0 then return 0 end

changed()
-- Leases that ran out go too: released later, they would give back tokens that
-- the bucket no longer lacks.
redis.call('DEL', leases, leased_seats)
-- SET replaces whatever is there, a list as well as a number.
redis.call('SET', bucket, ARGV[1], 'PXAT', keep_until_ms(ARGV[2]))
return 1
