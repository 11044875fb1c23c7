-- A worker's heartbeat: renews the leases of its deliveries, promotes what is due, reclaims what others lost, and says
-- who is listening. Called every quarter of a lease, and more often while something is being cancelled.
-- ARGV: worker name ('' none), its description (JSON), time after which it is forgotten (ms), token …
-- Reply: {now, {buried id, raw, …}, {token no longer ours, …}, {token to be cancelled, …}}
local now = time()
local gone, cancel = {}, {}
local expiry = now + LEASE
for i = 4, #ARGV - 5 do
  local token = A(i)
  if call('ZADD', P .. 'inflight', 'XX', 'CH', expiry, token) == 0 and not call('ZSCORE', P .. 'inflight', token) then
    gone[#gone + 1] = token
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
return { int(now), sweep(now), gone, cancel }
