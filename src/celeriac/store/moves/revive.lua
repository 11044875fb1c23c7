-- A job that was cancelled while it was ready, and whose message no worker has come across yet, waits again.
-- ARGV: id, reason   Reply: 'queued' | '' (its message is elsewhere by now)
local now = time()
local id, rec = A(1), record(A(1))
local r = call('HMGET', rec, 'state', 'waits')
if r[1] ~= 'cancelled' or not r[2] then return '' end
reopen(id, now, true)
call('HSET', rec, 'state', MOVES.resubmit.to, 'reason', A(2))
enlist(id)
journal(id, MOVES.resubmit.to, nil, now, A(2))
return MOVES.resubmit.to
