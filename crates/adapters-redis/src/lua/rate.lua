#!lua
-- Takes tokens out of buckets of the rate limiter, one after the other: the rule
-- of `TokenBucket` in the crate `domain`, by the clock of Redis.
--
-- KEYS: the bucket of each command; the same one may come many times. All have
-- the hash tag of their shard. A bucket is the time at which it is full again, in
-- microseconds; one that is missing, or of which somebody made something else,
-- is full.
--
-- ARGV: three words per command, in microseconds of what a bucket lacks
--   cost    what it lacks more when the tokens are taken
--   limit   what it may lack after that, else nothing is taken
--   full    what it lacks when it is empty
--
-- Gives for each command what the bucket lacks after it: m when the tokens were
-- taken, -1 - m when not.
--
-- To repeat it takes tokens again, so a lost answer is not asked for again: the
-- bucket is stricter by that much until it is full.

local KEYS, ARGV = KEYS, ARGV

-- One clock for all processes, which stands still within a script.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- What each bucket lacks, and whether that is to be written.
local lacks, is_new = {}, {}

local function look(bucket)
  local found = redis.pcall('GET', bucket)
  local full_at = type(found) == 'string' and tonumber(found)
  -- Neither below nothing nor, as an operator may write, not a number.
  if full_at and full_at > now then return math.floor(full_at - now) end
  return 0
end

local answers = {}
for number = 1, #KEYS do
  local bucket, word = KEYS[number], 3 * number - 2
  local cost, limit, full = tonumber(ARGV[word]), tonumber(ARGV[word + 1]), tonumber(ARGV[word + 2])
  local missing = lacks[bucket] or look(bucket)
  -- After the clock was put back, or when the policy was another one. Written
  -- even if nothing is taken: nobody waits longer than an empty bucket takes.
  if missing > full then
    missing, is_new[bucket] = full, true
  end
  local after = missing + cost
  if after <= limit then
    lacks[bucket], is_new[bucket] = after, true
    answers[number] = after
  else
    lacks[bucket] = missing
    answers[number] = -1 - missing
  end
end

for bucket in pairs(is_new) do
  local missing = lacks[bucket]
  -- It leaves when it is full again.
  local ttl_ms = math.floor(missing / 1000) + 1
  redis.call('SET', bucket, string.format('%.0f', now + missing), 'PX', string.format('%.0f', ttl_ms))
end
return answers
