-- Does what a batch of commands asks of one event, one after the other.
--
-- ARGV: how long a lease lasts in milliseconds, then two words per command, at
-- most 2,000 of them: what is unpacked into one call must fit Lua's stack.
--   seats,     reservation   take: lease so many tokens to it
--   'settle',  reservation   end its lease; the tokens stay spent
--   'release', reservation   end its lease; the tokens go back
--   'adjust',  seats         add tokens, or take them away when negative
--   'open',    seats left    make the bucket of a new event
--   'close',   ''            remove the gate of an event that is not sold any more
--   'block SEATS PLENTY', block       lease so many to a process, if plenty is left
--   'trim FROM TO BACK', block        leave TO of the FROM leased; BACK go back
--
-- Gives one answer per take and block, in their order: OK when granted, the tokens left
-- when refused, nil when the gate does not know.
--
-- Tokens and leases are looked at once, changed in Lua's memory command by
-- command, and written back once, however many commands there are.
--
-- All but `adjust` is safe to repeat: a reservation that holds a lease takes
-- nothing again, and one that holds none ends nothing. `adjust` is not, twice is
-- twice: a lost answer is left to the next reconciliation.

local ARGV = ARGV
local lease_ttl_ms = tonumber(ARGV[1])

local GRANTED, UNKNOWN = redis.status_reply('OK'), false

-- The tokens as they are to be, or nil, and as they were found.
local left, left_found
-- Reservation to: `true`, a lease that was there before; text, one with so many
-- seats that is to be written; `false`, one that is to be removed.
local leased
-- A human has put something of another type where leases are. The gate then
-- does not know; whoever reads it next removes that.
local damaged
-- Whether the generation is to move on.
local adjusted = false

-- The reservations for which it matters whether they hold a lease. What others
-- have instead of one is found nowhere.
local function asked_for()
  local reservations, count = {}, 0
  for word = 2, #ARGV, 2 do
    if ARGV[word] ~= 'settle' then
      count = count + 1
      reservations[count] = ARGV[word + 1]
    end
  end
  return reservations, count
end

local function look()
  left = tokens()
  left_found = left
  -- An operator's SET takes away the time to live. That of an event which is
  -- upcoming is looked after; others would stay for ever.
  if left and redis.call('PTTL', bucket) == -1 then redis.call('PEXPIRE', bucket, KEEP_MS) end

  leased = {}
  local found = redis.pcall('ZCARD', leases)
  damaged = type(found) ~= 'number' or type(redis.pcall('HLEN', leased_seats)) ~= 'number'
  -- At an event that is sold out there are none: nothing to compare with.
  if damaged or found == 0 then return end
  local reservations, count = asked_for()
  if count == 0 then return end
  local ends = redis.call('ZMSCORE', leases, unpack(reservations))
  for number = 1, count do
    if ends[number] then leased[reservations[number]] = true end
  end
end

local function write_back()
  local gone, new, held = {}, {}, {}
  local runs_out
  for reservation, seats in pairs(leased) do
    if not seats then
      gone[#gone + 1] = reservation
    elseif seats ~= true then
      -- As text, once: Redis writes out a number each time that it gets one.
      runs_out = runs_out or string.format('%.0f', now_ms() + lease_ttl_ms)
      new[#new + 1], new[#new + 2] = runs_out, reservation
      held[#held + 1], held[#held + 2] = reservation, seats
    end
  end
  -- `pcall`: keys of another type hold no lease.
  if #gone > 0 then
    redis.pcall('ZREM', leases, unpack(gone))
    redis.pcall('HDEL', leased_seats, unpack(gone))
  end
  if #new > 0 then
    redis.call('HSET', leased_seats, unpack(held))
    redis.call('ZADD', leases, unpack(new))
    -- Far longer than any lease: only so that nothing stays for ever.
    redis.call('PEXPIRE', leases, DAY_MS)
    redis.call('PEXPIRE', leased_seats, DAY_MS)
  end
  if left ~= left_found then
    redis.call('INCRBY', bucket, string.format('%.0f', left - left_found))
  end
  -- Even without a bucket to change: seats were sold or freed in the store, so
  -- what a rebuild under way has read there is stale.
  if adjusted then changed() end
  adjusted = false
end

-- A sum beyond what a bucket may hold leaves it as it is.
local function add(seats)
  if left and math.abs(left + seats) < TOKENS_MAX then left = left + seats end
end

local function take(reservation, seats, seats_text)
  if damaged then return UNKNOWN end
  if leased[reservation] then return GRANTED end
  if not left then return UNKNOWN end
  if left < seats then return left end
  left = left - seats
  leased[reservation] = seats_text
  return GRANTED
end

-- A block is a lease for many. It is not for the last tokens: those are counted
-- one by one.
local function block(reservation, seats, plenty)
  if damaged then return UNKNOWN end
  if leased[reservation] then return GRANTED end
  if not left then return UNKNOWN end
  if left - tonumber(seats) < tonumber(plenty) then return left end
  left = left - tonumber(seats)
  leased[reservation] = seats
  return GRANTED
end

-- How many seats a reservation holds, or nil.
local function held(reservation)
  local seats = leased[reservation]
  if seats == true then seats = redis.call('HGET', leased_seats, reservation) end
  return tonumber(seats)
end

-- What is under way of a block stays leased, from now on for a whole lease: it
-- may have begun a moment ago. Without the lease, or with one that was trimmed
-- already, nothing happens.
local function trim(reservation, from, to, back)
  if held(reservation) ~= tonumber(from) then return end
  add(tonumber(back))
  leased[reservation] = to ~= '0' and to
end

-- A lease that ran out but was not dropped yet still gives its tokens back: it
-- counts as leased for whoever raises the bucket as long as it is there.
local function release(reservation)
  local seats = held(reservation)
  if seats then add(seats) end
  leased[reservation] = false
end

-- A gate that has a generation was opened before, or closed because the event
-- was deleted meanwhile: this call comes late and does nothing. Nor is a bucket
-- touched that exists, whatever is in it.
local function open(seats)
  if redis.call('EXISTS', generation) == 1 then return end
  if redis.call('SET', bucket, seats, 'PX', KEEP_MS, 'NX') then changed() end
end

-- The generation stays and grows, even if there was no gate: so a rebuild that
-- read the store before the event was deleted, or an `open` that was on its way
-- then, finds it and gives up instead of bringing the gate back. It leaves by
-- its own time to live.
local function close()
  redis.call('DEL', bucket, leases, leased_seats)
  changed()
end

local answers, answers_count = {}, 0
look()
for word = 2, #ARGV, 2 do
  local what, whom = ARGV[word], ARGV[word + 1]
  local seats = tonumber(what)
  if seats then
    answers_count = answers_count + 1
    answers[answers_count] = take(whom, seats, what)
  elseif what == 'settle' then
    leased[whom] = false
  elseif what == 'release' then
    release(whom)
  elseif what == 'adjust' then
    adjusted = true
    add(tonumber(whom))
  elseif string.sub(what, 1, 6) == 'block ' then
    answers_count = answers_count + 1
    answers[answers_count] = block(whom, string.match(what, '(%d+) (%d+)'))
  elseif string.sub(what, 1, 5) == 'trim ' then
    trim(whom, string.match(what, '(%d+) (%d+) (%d+)'))
  else
    -- Seldom, so it may cost a look more.
    write_back()
    if what == 'open' then open(whom) else close() end
    look()
  end
end
write_back()
return answers
