#!lua flags=allow-oom
-- Acknowledges deliveries whose outcome needs no record (or has it already).
-- ARGV: token …   Reply: how many of them were still in flight.
local n = 0
for i = 1, #ARGV - 5 do
  if acknowledged(A(i)) then n = n + 1 end
end
return n
