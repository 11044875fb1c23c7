-- The end of an attempt: Celery's result, the record, the journal and the acknowledgement, in one move. A second terminal
-- state and a late attempt are refused and counted.
-- ARGV: id, fence (0 unknown), move (of job.py), Celery's meta, started (ms before now), worker, error (JSON, '' none),
--       reason, 1 if the message is acknowledged | 0, 1 if Celery's result is stored | 0
-- Reply: 'ok' | 'done' (already terminal) | 'late'
local now = time()
local id, fence, move, meta = A(1), N(2), A(3), A(4)
local rec, token = record(id), id .. ':' .. int(fence)
local r = call('HMGET', rec, 'state', 'fence', 'started', 'cancel', 'retries')
local value = nil
local function acknowledge()
  if A(9) ~= '1' or fence == 0 then return end
  value = call('HGET', P .. 'inflight:messages', token)
  settle(token)
end
local function store()
  if A(10) ~= '1' then return end
  call('SET', RESULT .. id, meta, 'PX', KEEP)
  call('PUBLISH', RESULT .. id, meta)
end
if not r[1] then -- never submitted through a queue (eager, a test): Celery's result alone
  acknowledge()
  store()
  return 'ok'
end
if fence > 0 and tonumber(r[2] or 0) ~= fence then
  count('late_results')
  acknowledge()
  return 'late'
end
if not MOVES[move].from[r[1]] then
  count('second_ends')
  acknowledge()
  return 'done'
end
local to, reason = MOVES[move].to, A(8)
if r[4] and to == 'retrying' then to = 'cancelled' end
if r[4] and to == 'cancelled' then reason = r[4] end
acknowledge()
if fence > 0 then
  if tonumber(r[3] or 0) ~= fence then
    call('HINCRBY', rec, 'attempt', 1)
    call('HSET', rec, 'started', fence, 'started_at', int(now - N(5)), 'worker', A(6))
  end
end
if to == 'retrying' then
  note_attempt(rec, now, 'retry')
  store() -- the retry's own message is already published: waiting, or ready
  if r[1] ~= 'queued' then call('HSET', rec, 'state', to) end
  if A(7) ~= '' then call('HSET', rec, 'error', A(7)) end
  journal(id, to, fence, now, reason)
  return 'ok'
end
if call('HEXISTS', rec, 'attempts') == 1 then note_attempt(rec, now, to) end
if A(7) ~= '' then call('HSET', rec, 'error', A(7)) elseif to == 'succeeded' then call('HDEL', rec, 'error') end
close(id, to, now, reason)
if value and to ~= 'succeeded' then keep_message(id, value) end
store()
journal(id, to, fence, now, reason)
return 'ok'
