#!lua flags=allow-oom
-- A delivery that came too early (a stock producer's ETA) waits in the delayed set until it is due.
-- ARGV: token, delay (ms)   Reply: 1, or 0 when the delivery was no longer ours.
local now = time()
local value = call('HGET', P .. 'inflight:messages', A(1))
if not settle(A(1)) or not value then return 0 end
local id, fence = split(A(1))
local rec = record(id)
local queue, _, raw = unpack_message(value)
local r = call('HMGET', rec, 'state', 'retries', 'fence', 'cancel', 'tag', 'former')
if r[1] and (TERMINAL[r[1]] or tonumber(r[3] or 0) ~= fence or superseded(envelope(raw), r[2], r[5], r[6])) then
  count('dropped')
  return 1
end
if r[4] then -- asked to stop before it began: it need not wait for that
  end_cancelled(id, nil, now, r[4], value)
  return 1
end
local due = int(now + N(2))
delay_until(id .. ':' .. (r[2] or '0'), due, queue, value)
call('HINCRBY', P .. 'popped', queue, -1)
call('HINCRBY', P .. 'pushed', queue, -1)
if r[1] then
  call('HSET', rec, 'state', 'scheduled', 'due', due)
  journal(id, 'scheduled', nil, now)
end
return 1
