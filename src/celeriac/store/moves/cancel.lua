#!lua flags=allow-oom
-- A job is asked to stop: one that waits never starts, a running one is told at its next report.
-- ARGV: id, reason, Celery's REVOKED meta   Reply: the state it is in now, or '' when it is unknown, or '!' .. state
-- when it had already ended otherwise.
local now = time()
local id, reason = A(1), A(2)
local rec = record(id)
local r = call('HMGET', rec, 'state', 'body', 'fence')
local state = r[1]
if not state then return '' end
if state == 'cancelled' then return state end
if TERMINAL[state] then return '!' .. state end
local token = id .. ':' .. (r[3] or '0')
if call('ZSCORE', P .. 'inflight', token) then -- a worker has it: its start or its next report will be refused
  call('HSET', rec, 'cancel', reason)
  if state ~= MOVES.cancel.to then
    call('HSET', rec, 'state', MOVES.cancel.to)
    journal(id, MOVES.cancel.to, tonumber(r[3]), now, reason)
  end
  call('PUBLISH', P .. 'wake:' .. id, '')
  call('PUBLISH', P .. 'cancel', token)
  return MOVES.cancel.to
end
call('SET', RESULT .. id, A(3), 'PX', KEEP)
call('PUBLISH', RESULT .. id, A(3))
close(id, 'cancelled', now, reason)
local value = retain(id)
if value and r[2] then drop_later(id, unpack_message(value)) end
return 'cancelled'
