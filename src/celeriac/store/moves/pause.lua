-- A queue stops handing out messages, or goes on.
-- ARGV: queue, 1 pause | 0 resume   Reply: 1 if that changed anything | 0.
local queue = A(1)
if A(2) == '1' then return call('HSETNX', P .. 'paused', queue, int(time())) end
local changed = call('HDEL', P .. 'paused', queue)
if changed == 1 then ring(queue) end
return changed
