-- A worker's heartbeat: renews the leases of its deliveries, promotes what is due, reclaims what others lost, and says
-- who is listening. Called every quarter of a lease, and more often while something is being cancelled.
-- ARGV: worker name ('' none), its description (JSON), time after which it is forgotten (ms), token …
-- Reply: {now, {buried id, raw, …}, {token no longer ours, …}, {token to be cancelled, …}, {token of those no longer
--         ours whose attempt has ended, …}}
local now = time()
local gone, cancel, ended = {}, {}, {}
local expiry = now + LEASE
for i = 4, #ARGV - 5 do
  local token = A(i)
  if call('ZADD', P .. 'inflight', 'XX', 'CH', expiry, token) == 0 and not call('ZSCORE', P .. 'inflight', token) then
    gone[#gone + 1] = token
    local id, fence = split(token)
    local r = call('HMGET', record(id), 'state', 'fence', 'retried')
    local ours = tonumber(r[2] or 0) == fence and TERMINAL[r[1]] or handed_over(r[3], fence)
    if ours then ended[#ended + 1] = token end
  elseif call('HEXISTS', record((split(token))), 'cancel') == 1 then
    cancel[#cancel + 1] = token
  end
end
if A(1) ~= '' then
  call('ZADD', P .. 'workers', now, A(1))
  call('HSET', P .. 'workers:info', A(1), A(2))
  for _, name in ipairs(call('ZRANGEBYSCORE', P .. 'workers', '-inf', now - N(3), 'LIMIT', 0, SWEEP)) do
    call('ZREM', P .. 'workers', name)
    call('HDEL', P .. 'workers:info', name)
  end
end
promote(now)
return { int(now), sweep(now), gone, cancel, ended }
