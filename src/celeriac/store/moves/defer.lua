-- A delivery that came too early (a stock producer's ETA) waits in the delayed set until it is due.
-- ARGV: token, delay (ms)   Reply: 1, or 0 when the delivery was no longer ours.
local now = time()
local value = call('HGET', P .. 'inflight:messages', A(1))
if not settle(A(1)) or not value then return 0 end
local id = split(A(1))
local rec = record(id)
local due = int(now + N(2))
local member = id .. ':' .. (call('HGET', rec, 'retries') or '0')
delay_until(member, due, (unpack_message(value)), value)
call('HINCRBY', P .. 'popped', (unpack_message(value)), -1)
call('HINCRBY', P .. 'pushed', (unpack_message(value)), -1)
call('HSET', rec, 'state', 'scheduled', 'due', due)
journal(id, 'scheduled', nil, now)
return 1
