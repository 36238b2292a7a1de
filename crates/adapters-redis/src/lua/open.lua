-- Opens the gate of a new event, unless it stands open already.
--
-- ARGV: seats left, beginning of the event in milliseconds. To repeat it is
-- safe: a bucket that exists, whatever is in it, stays.

if redis.call('SET', bucket, ARGV[1], 'PXAT', keep_until_ms(ARGV[2]), 'NX') then
  changed()
end
return 1
