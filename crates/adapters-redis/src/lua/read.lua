-- Drops leases that ran out and says how the gate stands.
--
-- Gives {tokens or nil, leases out, generation}.
--
-- Dropping and reading are one step, so the generation belongs to the tokens
-- and the leases given with it. To repeat it is safe: what is dropped is gone.
-- The tokens of a dropped lease do not go back, because only the store knows
-- whether the seats were sold; the rebuild that follows knows it too.

-- Only a human puts something else there, but then every script would fail.
local function is_not(kind, key)
  local found = redis.call('TYPE', key).ok
  return found ~= kind and found ~= 'none'
end
if is_not('zset', leases) or is_not('hash', leased_seats) then
  redis.call('DEL', leases, leased_seats)
  changed()
end

local now = now_ms()
local run_out = redis.call('ZRANGEBYSCORE', leases, '-inf', now)
if #run_out > 0 then
  redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
  for _, reservation in ipairs(run_out) do
    redis.call('HDEL', leased_seats, reservation)
  end
  changed()
end

-- An operator's SET takes away the time to live. The gate of an event that is
-- still sold is rebuilt when this one runs out; others would stay for ever.
if redis.call('PTTL', bucket) == -1 then redis.call('PEXPIRE', bucket, DAY_MS) end

return { tokens() or false, redis.call('ZCARD', leases), current_generation() }
