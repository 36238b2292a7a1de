-- Raises the bucket to the seats left in the store less those that are leased,
-- if it holds fewer tokens. Gives 1 if it did, else 0.
--
-- ARGV: seats left. To repeat it is safe, at any time and beside any traffic:
-- the leases are those of this instant, no token is ever taken away, and a
-- missing bucket, which may be that of a deleted event, stays missing.

mend_leases()
drop_leases_run_out()

local floor, left = tonumber(ARGV[1]) - seats_leased(), tokens()
if not left or left >= floor then return 0 end
set_bucket(floor)
return 1
