#!lua flags=allow-oom
-- Ends deliveries without a result, in the given order (the last one will be fetched first).
-- ARGV: why ('' never started), head | tail of the queue | lost (head; a started attempt counts), token …   Reply: {buried id, raw, …}
local now = time()
local buried = {}
for i = 3, #ARGV - 5 do
  local raw = put_back(A(i), now, A(1), A(2))
  if raw then buried[#buried + 1] = split(A(i)); buried[#buried + 1] = raw end
end
return buried
