-- A job that ended runs again under its id: its message goes to the tail of its queue, its record is queued again and
-- Celery's result is forgotten, in one move.
-- ARGV: id, list key, queue, raw message, task, retries, delivery tag, reason, 1 if it must be a dead letter | 0,
--       n, (field, value) × n/2
-- Reply: 'queued' | '' (no such job, or no such dead letter) | '!' .. state (it has not ended)
-- Race closed: of two that ask at once the second finds a live job.
local now = time()
local id, key, queue, raw, letter = A(1), A(2), A(3), A(4), A(9) == '1'
if letter and not call('ZSCORE', P .. 'dead', id) then return '' end
local rec = record(id)
local state = call('HGET', rec, 'state')
if state and not MOVES.resubmit.from[state] then return '!' .. state end
if not state and not letter then return '' end
local fields = { 'state', MOVES.resubmit.to, 'task', A(5), 'queue', queue, 'retries', A(6), 'tag', A(7), 'reason', A(8),
  'pos', call('HINCRBY', P .. 'pushed', queue, 1) }
if not state then
  fields[#fields + 1] = 'created_at'
  fields[#fields + 1] = int(now)
end
for i = 1, N(10) do fields[#fields + 1] = A(10 + i) end
reopen(id, now, true)
call('HSET', rec, 'due', int(now), unpack(fields)) -- ready from now on
enlist(id)
if N(10) > 1 and A(11) == 'args' and A(12) == '' then keep_body(id, raw) end
call('LPUSH', key, raw)
ring(queue)
journal(id, MOVES.resubmit.to, nil, now, A(8))
return MOVES.resubmit.to
