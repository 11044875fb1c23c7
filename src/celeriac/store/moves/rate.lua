-- Adds to the requests of a caller in the present minute, which begins with the first of them.
-- ARGV: caller, how many, length of the window (ms)   Reply: {requests so far, ms until it is over}
local key, n = P .. 'rate:' .. A(1), N(2)
local total = call('INCRBY', key, n)
if total == n then call('PEXPIRE', key, N(3)) end
return { total, call('PTTL', key) }
