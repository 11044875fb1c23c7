#!lua flags=no-writes
-- How a queue stands for a job that waits in it, and who was heard of.
-- ARGV: queue, its lists (the first is that of ordinary urgency)
-- Reply: {now, length, more urgent or less, taken so far, paused since | '', pace | '', {worker, heard, …}, {worker, info, …}}
local queue, length, others = A(1), 0, 0
for i = 2, #ARGV - 5 do
  local n = call('LLEN', A(i))
  length = length + n
  if i > 2 then others = others + n end
end
local function of(what) return call('HGET', P .. what, queue) or '' end
return {
  int(time()), length, others, of('popped'), of('paused'), of('pace'),
  call('ZRANGE', P .. 'workers', 0, -1, 'WITHSCORES'), call('HGETALL', P .. 'workers:info'),
}
