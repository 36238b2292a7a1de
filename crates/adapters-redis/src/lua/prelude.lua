#!lua
-- What every script of the seat gate shares: it is put in front of each one.
--
-- The keys of one event, in this order, all in one slot of a cluster because
-- the name of the bucket is the hash tag of the others:
--   KEYS[1]  the bucket: tokens left, a plain integer that operators may set
--   KEYS[2]  when each lease runs out: sorted set, reservation by milliseconds
--   KEYS[3]  how many seats each lease holds: hash, reservation to seats
--   KEYS[4]  the generation: grows with every change that no booking makes
--
-- Redis runs a script as one step that nothing comes between. The first line
-- makes it refuse a script as a whole where it could not write (no memory
-- left, a read-only replica), so that none stops half way. The time is that of
-- Redis, one clock for all processes, and stands still within a script.

local bucket, leases, leased_seats, generation = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local DAY_MS = 24 * 60 * 60 * 1000

-- How long a bucket lives that nobody looks after. Reconciliation, which looks
-- at every upcoming event, renews it; that of an event which was deleted or has
-- begun leaves by itself.
local KEEP_MS = 5 * 60 * 1000

-- Lua's numbers are exact up to 2^53; a bucket beyond this is a mistake.
local TOKENS_MAX = 10 ^ 15

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The tokens left, or nil when the bucket is missing, of another type (`pcall`
-- gives a table then) or not an integer as INCRBY wants it.
local function tokens()
  local text = redis.pcall('GET', bucket)
  if type(text) ~= 'string' then return nil end
  if text ~= '0' and not string.match(text, '^-?[1-9]%d*$') then return nil end
  local number = tonumber(text)
  if math.abs(number) >= TOKENS_MAX then return nil end
  return number
end

-- The generation as text, '0' when there is none.
local function current_generation()
  local text = redis.pcall('GET', generation)
  if type(text) ~= 'string' or #text > 18 or not string.match(text, '^[1-9]%d*$') then
    return '0'
  end
  return text
end

-- Counts a change. The first one starts at the microseconds of the clock and
-- not at 1, so that a generation that was lost (flushed, deleted, run out)
-- does not come to a number that somebody has read before.
local function changed()
  local count = redis.pcall('INCR', generation)
  if type(count) ~= 'number' or count <= 1 then
    local time = redis.call('TIME')
    redis.call('SET', generation, time[1] .. string.format('%06d', time[2]))
  end
  redis.call('PEXPIRE', generation, DAY_MS)
end

-- Sets the bucket, whatever was there: a list as well as a number.
local function set_bucket(number)
  redis.call('SET', bucket, string.format('%.0f', number), 'PX', KEEP_MS)
  changed()
end

-- Drops leases that ran out. Their tokens do not go back: only the store knows
-- whether the seats were sold, and the next reconciliation asks it.
local function drop_leases_run_out()
  local now = now_ms()
  for _, reservation in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now)) do
    redis.call('ZREM', leases, reservation)
    redis.call('HDEL', leased_seats, reservation)
  end
end

-- How many seats are leased, all together.
local function seats_leased()
  local sum = 0
  for _, reservation in ipairs(redis.call('ZRANGE', leases, 0, -1)) do
    sum = sum + (tonumber(redis.call('HGET', leased_seats, reservation)) or 0)
  end
  return sum
end

-- Removes leases that are of another type. Only a human puts something else
-- there; until somebody looks, `take` answers that it does not know.
local function mend_leases()
  local function is_not(kind, key)
    local found = redis.call('TYPE', key).ok
    return found ~= kind and found ~= 'none'
  end
  if is_not('zset', leases) or is_not('hash', leased_seats) then
    redis.call('DEL', leases, leased_seats)
  end
end

