#!lua flags=allow-oom
-- Takes up to n messages and puts each in flight under a lease, in one move: there is no window in which a message
-- exists only in a worker. Acknowledgements of earlier ones ride along; due messages and lost leases are seen to first.
-- Who finds nothing, and has a free slot then, is noted as waiting: the next publish may hand it a message at once.
-- ARGV: n, number of acks, token …, number of lists, (list key, queue, 1 if acknowledged | 0 if not) …,
--       the hand of who asks ('' none), its free slots
-- Reply: {now, 1 if messages are left, next due (ms, 0 none), {buried id, raw, …}, {dropped raw, …},
--         {raw, token, queue, losses, 1 if it was delayed by us, …}}
local now = time()
local n, acks = N(1), N(2)
for i = 1, acks do acknowledged(A(2 + i)) end
promote(now)
local buried, dropped, out = sweep(now), {}, {}
local at = 3 + acks
local lists, left = N(at), 0
local hand, free = A(at + 3 * lists + 1), N(at + 3 * lists + 2)
local leases, messages, expiry = {}, {}, int(now + LEASE)
local RETURNED = { ['worker lost'] = true, ['worker stopped'] = true, ['given back'] = true }

local function quarantine(raw, key, queue)
  local id = 'unreadable-' .. call('HINCRBY', P .. 'stats', 'quarantined', 1)
  bury(id, pack(queue, key, raw), now, 'unreadable message')
end

local function hand_out(raw, token, queue, losses, due)
  local n = #out
  out[n + 1], out[n + 2], out[n + 3], out[n + 4], out[n + 5] = raw, token, queue, losses, due
end

local function look(id)
  return call('HMGET', record(id), 'state', 'retries', 'tag', 'losses', 'due', 'former', 'cancel', 'reason')
end

-- A message that Celery made names its id near the beginning of its headers, and its tag once, last of all. No text in it
-- looks like that, for its quotes are escaped. A header that does may lead to another job's record, but that knows another
-- tag: what is not known by both is decoded.
local function glance(raw)
  local _, tagged = raw:find(', "delivery_tag": "', 1, true)
  local tag = tagged and raw:match('^([^"\\]+)"}}$', tagged + 1)
  if not tag then return nil end
  local _, named = raw:find('"headers": {"lang": "py", "task": "', 1, true)
  local id = named and raw:match('^[^"\\]*", "id": "([^"\\]+)"', named + 1)
  if not id then return nil end
  local r = look(id)
  if r[3] == tag then return { id = id, tag = tag }, r end
end

local function deliver(raw, key, queue, acknowledged)
  local e, r
  if acknowledged then e, r = glance(raw) end
  e = e or envelope(raw)
  if not e then return quarantine(raw, key, queue) end
  if not acknowledged then return hand_out(raw, '', queue, 0, 0) end
  local token, losses, due = nil, 0, 0
  if not e.id then -- no job of Celery's; a tag of somebody else's may come twice
    token = e.tag .. '-' .. call('INCR', P .. 'strangers') .. ':0'
  else
    local rec = record(e.id)
    r = r or look(e.id)
    if r[7] and not TERMINAL[r[1]] then -- asked to stop before it began
      end_cancelled(e.id, nil, now, r[7], pack(queue, key, raw))
      r[1] = 'cancelled'
    end
    if r[1] and (TERMINAL[r[1]] or superseded(e, r[2], r[3], r[6])) then
      count('dropped')
      if TERMINAL[r[1]] and not superseded(e, r[2], r[3], r[6]) then come_across(e.id, r[1], pack(queue, key, raw)) end
      dropped[#dropped + 1] = raw
      return
    end
    if not r[1] and call('PEXPIRE', P .. 'gone:' .. e.id, KEEP * 7) == 1 then -- its message outlived its record
      dropped[#dropped + 1] = raw
      return count('dropped')
    end
    if r[3] ~= e.tag then -- pushed by somebody else's producer, or retried by its worker: known from now on
      call('HINCRBY', P .. 'pushed', queue, 1)
      call('HSETNX', rec, 'created_at', int(now))
      call('HSET', rec, 'state', 'queued', 'task', e.task, 'queue', queue, 'retries', e.retries, 'tag', e.tag)
      call('HDEL', rec, 'due')
      call('PERSIST', rec)
      r[5] = false
    end
    token = e.id .. ':' .. call('HINCRBY', rec, 'fence', 1)
    losses, due = tonumber(r[4] or 0), r[5] and 1 or 0
    if RETURNED[r[8]] then losses = math.max(1, losses) end -- it may have begun before: this start is written at once
  end
  local n = #leases
  leases[n + 1], leases[n + 2] = expiry, token
  messages[n + 1], messages[n + 2] = token, pack(queue, key, raw)
  hand_out(raw, token, queue, losses, due)
end

local function take(key)
  local raws = redis.pcall('RPOP', key, n) -- what is no list is not ours to judge, and must not cost the others
  return raws and not raws.err and raws or {}
end

local function holds(key)
  local length = redis.pcall('LLEN', key)
  return type(length) == 'number' and length > 0
end

if hand ~= '' then -- it waits no longer; what it was handed since it stopped listening is part of the reply
  call('DEL', P .. 'waits:' .. hand)
  local size, queue, rest = (call('LPOP', P .. 'hand:' .. hand) or ''):match('^(%d+) ([^\n]*)\n(.*)$')
  if size and call('ZSCORE', P .. 'inflight', rest:sub(1, size)) then
    n = n - 1
    hand_out(rest:sub(size + 1), rest:sub(1, size), queue, 0, 0)
  end
end

local emptied, idle = {}, {}
for i = 1, lists do
  local key, queue, acknowledged = A(at + 3 * i - 2), A(at + 3 * i - 1), A(at + 3 * i) == '1'
  if call('HEXISTS', P .. 'paused', queue) == 0 then
    if acknowledged then idle[queue] = true end
    if n > 0 then
      local raws = take(key)
      n = n - #raws
      if #raws > 0 and acknowledged then call('HINCRBY', P .. 'popped', queue, #raws) end
      for _, raw in ipairs(raws) do -- a script is not rolled back: what fails here must not take the message along
        if not pcall(deliver, raw, key, queue, acknowledged) then quarantine(raw, key, queue) end
      end
    end
    if n > 0 then
      emptied[queue] = emptied[queue] ~= false
    else
      emptied[queue] = false
      if holds(key) then
        left = 1
        ring(queue)
      end
    end
  end
end
for queue, all in pairs(emptied) do -- strangers' messages were counted only here: an empty queue sets that right
  if all then call('HSET', P .. 'popped', queue, call('HGET', P .. 'pushed', queue) or 0) end
end
if #leases > 0 then
  call('ZADD', P .. 'inflight', unpack(leases))
  call('HSET', P .. 'inflight:messages', unpack(messages))
end
if hand ~= '' and left == 0 and free > #out / 5 then wait_at(hand, idle, now) end
local next_due = call('ZRANGE', P .. 'delayed', 0, 0, 'WITHSCORES')
return { int(now), left, next_due[2] or '0', buried, dropped, out }
