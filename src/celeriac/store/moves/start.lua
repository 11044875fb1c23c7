#!lua flags=allow-oom
-- An attempt begins. ARGV: token, worker, started (ms before now), Celery's STARTED meta ('' none), 1 if it is never
-- repeated | 0
-- Reply: 'ok' | 'late' (the job is not this attempt's any more) | 'cancelled' (it was asked to stop) |
-- '!<error>' (it cannot be written).
local now = time()
local token = A(1)
local id, fence = split(token)
local rec = record(id)

local function begin()
  local r = call('HMGET', rec, 'state', 'fence', 'started', 'cancel', 'attempt', 'attempts', 'retried')
  if fence == 0 then return 'ok' end
  local current = r[1] and not TERMINAL[r[1]] and tonumber(r[2] or 0) == fence
  if not current or not call('ZSCORE', P .. 'inflight', token) then return 'late' end
  if r[4] then return 'cancelled' end
  if tonumber(r[3] or 0) == fence then return 'ok' end
  if A(4) ~= '' then call('SET', RESULT .. id, A(4), 'PX', KEEP) end
  if A(5) == '1' then call('HSET', rec, 'once', 1) end
  local attempt, begun = int((r[5] or 0) + 1), int(now - N(3))
  journal(id, MOVES.start.to, fence, now, nil, {
    'state', MOVES.start.to, 'attempt', attempt, 'started', fence, 'started_at', begun, 'worker', A(2), 'reason', '',
  }, not (r[6] or r[7]) and A(2) .. '\n' .. begun .. '\n' .. attempt .. '\n')
  return 'ok'
end

local whole, verdict = pcall(begin)
if whole then return verdict end
if not is_own_fault() then return redis.error_reply(why_of(verdict)) end
return '!' .. why_of(verdict)
