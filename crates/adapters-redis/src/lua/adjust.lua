-- Adds tokens, or takes them away when the number is negative.
--
-- ARGV: seats. NOT safe to repeat: twice is twice. A lost answer is left to the
-- next reconciliation.
--
-- The generation grows even without a bucket to change: seats were sold or
-- freed in the store, so what a rebuild under way has read there is stale.

changed()
-- `pcall`: a sum beyond 64 bits leaves the bucket as it is.
if tokens() then redis.pcall('INCRBY', bucket, ARGV[1]) end
return 1
