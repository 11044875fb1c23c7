-- A job that ended while its message was ready (cancelled, or ended late), and no worker has come across it yet, waits
-- again.
-- ARGV: id, reason   Reply: 'queued' | '' (its message is elsewhere by now)
local now = time()
local id, rec = A(1), record(A(1))
local r = call('HMGET', rec, 'state', 'waits')
if not MOVES.resubmit.from[r[1]] or not r[2] then return '' end
reopen(id, now, true)
call('HSET', rec, 'state', MOVES.resubmit.to, 'reason', A(2))
enlist(id)
journal(id, MOVES.resubmit.to, nil, now, A(2))
return MOVES.resubmit.to
