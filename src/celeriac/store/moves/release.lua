-- Moves up to n messages that wait for their time, or that are in flight, back to the lists that every Celery worker reads.
-- ARGV: 'delayed' | 'inflight', n   Reply: how many were moved.
-- A delayed message keeps its ETA, so whoever takes it waits for it; it is forgotten here that it waited.
local now = time()
local n = 0
if A(1) == 'inflight' then
  for _, token in ipairs(call('ZRANGE', P .. 'inflight', 0, N(2) - 1)) do
    put_back(token, now, 'released', 'head')
    n = n + 1
  end
  return n
end
for _, member in ipairs(call('ZRANGE', P .. 'delayed', 0, N(2) - 1)) do
  local value = undelay(member)
  n = n + 1
  if value then
    local queue, key, raw = unpack_message(value)
    local id = split(member)
    local r = call('HMGET', record(id), 'state', 'tag')
    local state = r[1]
    if left_behind(raw, r[2]) then
      count('dropped')
    elseif state and TERMINAL[state] then -- a stock worker would run it again
      count('dropped')
      if state == 'cancelled' then keep_message(id, value) end
    else
      local pos = call('HINCRBY', P .. 'pushed', queue, 1)
      call('LPUSH', key, raw)
      if state then
        call('HDEL', record(id), 'due')
        call('HSET', record(id), 'state', 'queued', 'reason', 'released', 'pos', pos)
        journal(id, 'queued', nil, now, 'released')
      end
      ring(queue)
    end
  else
    call('ZREM', P .. 'delayed', member)
  end
end
return n
