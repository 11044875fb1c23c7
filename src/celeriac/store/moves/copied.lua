-- Messages that waited for the history are copied: they are kept twice no longer.
-- ARGV: id …   Reply: how many there were.
local n = 0
for i = 1, #ARGV - 5 do
  local size = call('HSTRLEN', P .. 'bodies', A(i))
  if call('HDEL', P .. 'bodies', A(i)) == 1 then
    n = n + 1
    call('DECRBY', P .. 'bodies:size', size)
  end
end
return n
