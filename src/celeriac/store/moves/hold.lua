-- A part that only one process may have at a time: taken when it is free, kept when it is ours, given back with 0.
-- ARGV: its name, our token, how long (ms)   Reply: 1 if it is ours now | 0
local key = P .. 'hold:' .. A(1)
local holder = call('GET', key)
if holder and holder ~= A(2) then return 0 end
if N(3) == 0 then
  if holder then call('DEL', key) end
  return 0
end
call('SET', key, A(2), 'PX', A(3))
return 1
