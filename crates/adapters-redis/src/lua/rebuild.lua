-- Sets the bucket to the seats left in the store, if it is missing or holds
-- more. Gives 0 if the gate is another one than when it was read, else 1.
--
-- ARGV: seats left, generation read. Comparing and setting are one step. To
-- repeat it is safe: the first run moves the generation on if it does anything.
--
-- Bookings do not move the generation and need not: they sell seats, so a right
-- bucket never holds more than were left a moment ago.

if current_generation() ~= ARGV[2] then return 0 end
local seats, left = tonumber(ARGV[1]), tokens()
if not left or left > seats then set_bucket(seats) end
return 1
