#!lua flags=allow-oom
-- A delivery that no worker can run (unknown task, body that cannot be decoded) goes to the dead letters.
-- ARGV: token, reason, 1 if the record ends here too | 0   Reply: 1, or 0 when the delivery was no longer ours.
local now = time()
local value = call('HGET', P .. 'inflight:messages', A(1))
if not settle(A(1)) or not value then return 0 end
local id, fence = split(A(1))
local r = call('HMGET', record(id), 'state', 'fence', 'reason')
local ended, reason = r[1] and TERMINAL[r[1]], A(2)
if ended and r[3] ~= '' then reason = r[3] end -- it says why
bury(id, value, now, reason)
if r[1] and not ended and tonumber(r[2] or 0) == fence and A(3) == '1' then
  close(id, 'lost', now, reason, fence)
  store_end(id, 'lost', reason)
end
return 1
