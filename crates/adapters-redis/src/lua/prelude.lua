#!lua
-- What every script of the seat gate shares: it is put in front of each one.
--
-- The keys of one event, in this order, all in one slot of a cluster because
-- the name of the bucket is the hash tag of the others:
--   KEYS[1]  the bucket: tokens left, a plain integer that operators may set
--   KEYS[2]  when each lease runs out: sorted set, reservation by milliseconds
--   KEYS[3]  how many seats each lease holds: hash, reservation to seats
--   KEYS[4]  the generation: a number that grows with every change
--
-- Redis runs a script as one step that nothing comes between. The first line
-- makes it refuse a script as a whole where it could not write (no memory
-- left, a read-only replica), so that none stops half way. The time is that of
-- Redis, one clock for all processes, and stands still within a script.

local bucket, leases, leased_seats, generation = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local DAY_MS = 24 * 60 * 60 * 1000

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

-- Until when a gate is kept: a day after its event began, and a day from now
-- when that is over. Then it leaves by itself.
local function keep_until_ms(start_at_ms)
  return string.format('%.0f', math.max(tonumber(start_at_ms), now_ms()) + DAY_MS)
end

