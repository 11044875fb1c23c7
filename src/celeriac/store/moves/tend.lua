#!lua flags=allow-oom
-- A worker's heartbeat: renews the leases of its deliveries, promotes what is due, reclaims what others lost, and says
-- who is listening and how fast its queues move. Called every quarter of a lease, and more often while something is being cancelled.
-- ARGV: worker name ('' none), its description (JSON), time after which it is forgotten (ms), token …
-- Reply: {now, {buried id, raw, …}, {token no longer ours, …}, {token to be cancelled, …}, {token of those no longer
--         ours whose attempt has ended, …}}
local now = time()
local PACE = 60000 -- two samples of what was taken from a queue, the older one made one to two minutes ago

-- Only while messages wait does the pace say what workers can do: an idle queue moves as slowly as jobs come in.
local function sample(queue)
  local popped = tonumber(call('HGET', P .. 'popped', queue) or 0)
  if tonumber(call('HGET', P .. 'pushed', queue) or 0) <= popped then return call('HDEL', P .. 'pace', queue) end
  local kept = call('HGET', P .. 'pace', queue) or ''
  local older, newer, at, n = kept:match('^(%d+ %-?%d+) ((%d+) (%-?%d+))$')
  local this = int(now) .. ' ' .. int(popped)
  if not newer or popped < tonumber(n) then
    older, newer = this, this
  elseif now - tonumber(at) >= PACE then
    older, newer = newer, this
  end
  call('HSET', P .. 'pace', queue, older .. ' ' .. newer)
end

local gone, cancel, ended = {}, {}, {}
local expiry = now + LEASE
for i = 4, #ARGV - 5 do
  local token = A(i)
  if call('ZADD', P .. 'inflight', 'XX', 'CH', expiry, token) == 0 and not call('ZSCORE', P .. 'inflight', token) then
    gone[#gone + 1] = token
    local id, fence = split(token)
    local r = redis.pcall('HMGET', record(id), 'state', 'fence', 'retried') -- a damaged record costs no lease of others
    local ours = tonumber(r[2] or 0) == fence and TERMINAL[r[1]] or handed_over(r[3], fence)
    if ours then ended[#ended + 1] = token end
  elseif redis.pcall('HEXISTS', record((split(token))), 'cancel') == 1 then
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
  local told, info = pcall(cjson.decode, A(2))
  for _, queue in ipairs(told and type(info) == 'table' and info.queues or {}) do sample(queue) end
end
promote(now)
return { int(now), sweep(now), gone, cancel, ended }
