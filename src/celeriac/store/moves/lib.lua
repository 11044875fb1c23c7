-- Shared by every move. ARGV opens with the prefix of our keys ("<global_keyprefix>celeriac:"), the prefix of Celery's
-- result keys, how long finished jobs are kept (ms), the lease (ms) and the losses allowed; a move's own arguments
-- follow as A(1), A(2) … Keys are built here, not passed: ids are known only inside. One server, no Redis Cluster.
-- The rules (MOVES, TERMINAL, LETTERS, END_METAS) are written in above this text from job.py.
local P, RESULT, KEEP = ARGV[1], ARGV[2], tonumber(ARGV[3])
local LEASE, MAX_LOSSES = tonumber(ARGV[4]), tonumber(ARGV[5])
local call = redis.call
local function A(i) return ARGV[i + 5] end
local function N(i) return tonumber(ARGV[i + 5]) end
local SWEEP = 32 -- reclaims, promotions per move: no move is unbounded, and none takes longer than a few milliseconds

local function time()
  local t = call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function int(n) return string.format('%.0f', n) end
local function record(id) return P .. 'job:' .. id end
local function count(what, n) call('HINCRBY', P .. 'stats', what, n or 1) end

-- A move that fails for what one job's keys hold must not keep others waiting; what all share is for somebody to mend.
local function is_own_fault()
  local shared = { journal = 'stream', outbox = 'list', totals = 'hash', stats = 'hash', unfinished = 'hash', bodies = 'hash',
    inflight = 'zset', ['inflight:messages'] = 'hash', dead = 'zset', ['dead:messages'] = 'hash' }
  for key, kind in pairs(shared) do
    local found = call('TYPE', P .. key).ok
    if found ~= 'none' and found ~= kind then return false end
  end
  return true
end
local function why_of(failure) return type(failure) == 'table' and failure.err or tostring(failure) end

-- A token names one delivery: "<job id>:<fence>". Each fetch raises the fence, so an old token never matches again.
local function split(token)
  local id, fence = token:match('^(.*):(%d+)$')
  return id, tonumber(fence)
end

-- A stored message remembers where it came from: "<queue>\n<list key>\n<raw message>".
local function pack(queue, key, raw) return queue .. '\n' .. key .. '\n' .. raw end
local function unpack_message(value)
  local queue, key, raw = value:match('^([^\n]*)\n([^\n]*)\n(.*)$')
  return queue, key, raw
end

-- The envelope's facts, or nil when no worker could read it. Bodies are never decoded and nothing is re-encoded.
local function text(v) return type(v) == 'string' and v ~= '' and v or nil end
local function envelope(raw)
  local ok, m = pcall(cjson.decode, raw)
  if not ok or type(m) ~= 'table' or type(m.properties) ~= 'table' then return nil end
  if not text(m.properties.delivery_tag) or type(m.properties.delivery_info) ~= 'table' then return nil end
  if type(m.body) ~= 'string' then return nil end
  local h = type(m.headers) == 'table' and m.headers or {}
  local id, task = text(h.id), text(h.task)
  return {
    id = id and task and id, task = task, tag = m.properties.delivery_tag,
    retries = type(h.retries) == 'number' and h.retries or 0,
  }
end

-- A job has one message at a time, the one whose tag its record knows. Another one of the same try or an older one, or
-- one of an earlier life of the job, is a copy that must not run.
local function superseded(e, retries, tag, former)
  if not tag or e.tag == tag then return false end
  if e.retries <= tonumber(retries or 0) then return true end
  return former and former:find(e.tag, 1, true) ~= nil
end

-- The same for a message that was published or seen here: then its record knows its tag, or that of a later one.
local function left_behind(raw, tag) return tag and not raw:find(tag, 1, true) end

-- An attempt that publishes its own retry hands the job over: the fences of those that did, the last of them.
local function hand_over(id, retried, fence)
  call('HSET', record(id), 'retried', (' ' .. (retried or '') .. int(fence) .. ' '):gsub('^ +', ' '):sub(-100))
end
local function handed_over(retried, fence) return (retried or ''):find(' ' .. int(fence) .. ' ', 1, true) ~= nil end

-- At most one token per queue waits in its doorbell: it carries no data, so losing a reply loses nothing.
local function ring(queue)
  local bell = P .. 'bell:' .. queue
  if call('LLEN', bell) == 0 then call('LPUSH', bell, '1') end
end

-- A consumer that found nothing and has a free slot waits for these queues: at its hand, a list of its own, and for no longer
-- than it listens there. `waits:<hand>` is '' until a message is handed to it, then the token of that, so that what
-- it never read is known; the next fetch ends both.
local LISTENS = 1500
local function wait_at(hand, queues, now)
  call('SET', P .. 'waits:' .. hand, '', 'PX', LISTENS)
  for queue in pairs(queues) do
    local idle = P .. 'idle:' .. queue
    call('ZREMRANGEBYSCORE', idle, '-inf', int(now))
    call('ZADD', idle, int(now + LISTENS), hand)
    call('PEXPIRE', idle, LISTENS)
  end
end

-- Who waits for an empty queue, the longest of them first; it is taken off the queue's list.
local function waiter(queue, key, now)
  local idle = P .. 'idle:' .. queue
  local hands = call('ZRANGEBYSCORE', idle, int(now), '+inf', 'LIMIT', 0, 3)
  if #hands == 0 or call('LLEN', key) > 0 or call('HEXISTS', P .. 'paused', queue) == 1 then return nil end
  for _, hand in ipairs(hands) do
    call('ZREM', idle, hand)
    if call('GET', P .. 'waits:' .. hand) == '' then return hand end
  end
end

-- What a fetch would have replied for one message: "<bytes of the token> <queue>\n<token><raw>".
local function hand_over_to(hand, token, queue, key, raw, now)
  call('ZADD', P .. 'inflight', int(now + LEASE), token)
  call('HSET', P .. 'inflight:messages', token, pack(queue, key, raw))
  call('HINCRBY', P .. 'popped', queue, 1)
  call('SET', P .. 'waits:' .. hand, token, 'PX', LEASE)
  call('RPUSH', P .. 'hand:' .. hand, #token .. ' ' .. queue .. '\n' .. token .. raw)
  call('PEXPIRE', P .. 'hand:' .. hand, LEASE)
end

-- A transition goes to the journal of all jobs, as "<state> <seq> <attempt> <ms>\n<left>" beside the job's id and a note if
-- there is one, and to the record's own trail, "<seq><letter><ms>[ <note>]\n" each, so that whoever watches the job is
-- told of every one; the trail stays within what a small hash holds.
-- An end that somebody wants to hear of enters the outbox, too. `fields` of the record are written along with it.
-- `left` is what a start, a plain success or a submission left in the record, so that the history need not read it:
-- "<worker>\n<started ms>\n<attempt>\n<Celery's result>", or what `submission` of `publish.lua` makes. `known` are seq,
-- trail and callback_url of the record, where a move has read them; of a NEW one nobody can have asked. Replies whether
-- the record tells of transitions alone: then the job has no log.
local JOURNAL, TRAIL, NEW = 100000, 960, {}
local CARRIED = 512 -- bytes of arguments, or of a result, that the journal carries, if there is a history
local told -- whether somebody wants to hear of every end: asked once a move
local function is_told()
  if told == nil then told = call('EXISTS', P .. 'outbox:all') == 1 end
  return told
end
local function journal(id, state, attempt, now, note, fields, left, known)
  local rec = record(id)
  local r = known or call('HMGET', rec, 'seq', 'trail', 'callback_url')
  local seq, at = int((r[1] or 0) + 1), int(now)
  local why = note and note ~= '' and ' ' .. note:gsub('%c', ' '):sub(1, 100) or ''
  local trail = (r[2] or '') .. seq .. (LETTERS[state] or '?') .. at .. why .. '\n'
  while #trail > TRAIL do trail = trail:gsub('^[^\n]*\n', '', 1) end
  fields = fields or {}
  local n = #fields
  fields[n + 1], fields[n + 2], fields[n + 3], fields[n + 4] = 'seq', seq, 'trail', trail
  call('HSET', rec, unpack(fields))
  local entry = state .. ' ' .. seq .. ' ' .. (attempt or '') .. ' ' .. at .. '\n' .. (left or '')
  if note and note ~= '' then
    call('XADD', P .. 'journal', 'MAXLEN', '~', JOURNAL, '*', 'j', id, 'e', entry, 'r', note)
  else
    call('XADD', P .. 'journal', 'MAXLEN', '~', JOURNAL, '*', 'j', id, 'e', entry)
  end
  if r ~= NEW then call('PUBLISH', P .. 'wake:' .. id, seq) end
  if TERMINAL[state] and (r[3] or is_told()) then
    call('RPUSH', P .. 'outbox', table.concat({ id, state, seq, at }, '\n'))
    call('LTRIM', P .. 'outbox', -JOURNAL, -1)
  end
  return select(2, trail:gsub('\n', '')) == tonumber(seq)
end

-- Celery's own result of a job for which no worker answers, so that `AsyncResult.get()` ends.
local function plain(id) return (id:gsub('[%c"\\%%]', '')) end -- fit for JSON text and for gsub
local function store_end(id, state, why)
  local meta = END_METAS[state]:gsub('@ID@', plain(id)):gsub('@WHY@', plain(why))
  call('SET', RESULT .. id, meta, 'PX', KEEP)
  call('PUBLISH', RESULT .. id, meta)
end

-- How many unfinished jobs each caller has: a record that counts says for whom.
local function enlist(id, owner)
  owner = owner or call('HGET', record(id), 'owner') or ''
  if owner == '' or call('HSETNX', record(id), 'counted', owner) == 0 then return end
  call('HINCRBY', P .. 'unfinished', owner, 1)
end
local function delist(id, owner)
  if not owner then return end
  call('HDEL', record(id), 'counted')
  if call('HINCRBY', P .. 'unfinished', owner, -1) < 1 then call('HDEL', P .. 'unfinished', owner) end
end

-- Closes a record and tells of it: state, end, the time after which it is forgotten, and a tombstone that outlives it (410, not 404).
-- What was to follow a cancelled or lost job, and is not published yet, ends too (Celery itself sees to failures).
-- `fields` and `left` as `journal` takes them; `known` are its seq, trail, callback_url and counted, where a move has read
-- them; `totals` collects how many ended how, where a move counts them itself.
local function close(id, state, now, reason, attempt, fields, left, known, totals)
  local key = record(id)
  known, fields = known or call('HMGET', key, 'seq', 'trail', 'callback_url', 'counted'), fields or {}
  local n = #fields
  fields[n + 1], fields[n + 2], fields[n + 3], fields[n + 4] = 'state', state, 'finished_at', int(now)
  fields[n + 5], fields[n + 6] = 'reason', reason or ''
  local silent = journal(id, state, attempt, now, reason, fields, left, known)
  if totals then
    totals[state] = (totals[state] or 0) + 1
  else
    call('HINCRBY', P .. 'totals', state, 1)
  end
  delist(id, known[4])
  call('PEXPIRE', key, KEEP)
  if not silent then call('PEXPIRE', P .. 'log:' .. id, KEEP) end
  call('SET', P .. 'gone:' .. id, state, 'PX', KEEP * 7)
  if state ~= 'cancelled' and state ~= 'lost' then return end
  local next, why = call('HMGET', key, 'chain', 'body'), 'its parent is ' .. state
  for child in ((next[1] or '') .. (next[2] or '')):gmatch('%S+') do
    local r = call('HMGET', record(child), 'state', 'tag')
    if r[1] == 'scheduled' and not r[2] then
      local to = state == 'lost' and 'failed' or state
      close(child, to, now, why)
      store_end(child, to, why)
    end
  end
end

-- Keeps the message of a job that may be asked for again (failed, cancelled), as long as its record.
local function keep_message(id, value) call('SET', P .. 'kept:' .. id, value, 'PX', KEEP) end

-- A message whose arguments are too large for the record waits for the history to copy them, if there is one: at most
-- 64 MB of such messages, then the jobs run all the same, but could not be restored.
local BODIES = 67108864
local function keep_body(id, raw)
  if call('EXISTS', P .. 'history') == 0 then return end
  if tonumber(call('GET', P .. 'bodies:size') or 0) + #raw > BODIES then return end
  call('INCRBY', P .. 'bodies:size', #raw - call('HSTRLEN', P .. 'bodies', id))
  call('HSET', P .. 'bodies', id, raw)
end

local function bury(id, value, now, reason)
  call('ZADD', P .. 'dead', now, id)
  call('HSET', P .. 'dead:messages', id, reason .. '\n' .. value)
  count('buried')
end

-- A job that was asked to stop, and does not run, ends.
local function end_cancelled(id, fence, now, reason, value)
  store_end(id, 'cancelled', reason)
  close(id, 'cancelled', now, reason, fence)
  keep_message(id, value)
end

-- Notes the end of an attempt (the record's own without worker and start): "worker|started|ended|outcome", the last 20.
local function note_attempt(key, now, outcome, worker, started_at)
  local r = call('HMGET', key, 'attempts', 'worker', 'started_at')
  worker, started_at = worker or r[2] or '', started_at or r[3] or ''
  local lines = (r[1] or '') .. worker .. '|' .. started_at .. '|' .. int(now) .. '|' .. outcome .. '\n'
  local n = select(2, lines:gsub('\n', ''))
  if n > 20 then lines = lines:gsub('^[^\n]*\n', '', 1) end
  call('HSET', key, 'attempts', lines)
end

-- A message waits until it is due; how many of each queue do so is counted beside them.
local function delay_until(member, due, queue, value)
  if call('ZADD', P .. 'delayed', due, member) == 0 then
    local old = unpack_message(call('HGET', P .. 'delayed:messages', member) or value)
    call('HINCRBY', P .. 'delayed:count', old, -1)
  end
  call('HINCRBY', P .. 'delayed:count', queue, 1)
  call('HSET', P .. 'delayed:messages', member, value)
end

-- It waits no longer. Replies what `pack` made, or nil when it did not wait.
local function undelay(member)
  local value = call('HGET', P .. 'delayed:messages', member)
  if call('ZREM', P .. 'delayed', member) == 0 or not value then return nil end
  call('HDEL', P .. 'delayed:messages', member)
  call('HINCRBY', P .. 'delayed:count', (unpack_message(value)), -1)
  return value
end

-- The message of a job that has ended is still among the ready ones: its tombstone stays until a worker comes across it.
local function await_drop(id) call('PERSIST', P .. 'gone:' .. id) end

-- The message of a job that ended is kept for another run; one that is among the ready ones stays there (`waits`) until a
-- worker comes across it. Replies what was kept.
local function retain(id, value)
  local rec = record(id)
  local r = call('HMGET', rec, 'fence', 'retries', 'tag', 'acked')
  local fence = r[1] or '0'
  value = value or call('HGET', P .. 'inflight:messages', id .. ':' .. fence) or undelay(id .. ':' .. (r[2] or '0'))
  if value then
    keep_message(id, value)
  elseif r[3] and r[4] ~= fence then
    call('HSET', rec, 'waits', 1)
    await_drop(id)
  end
  return value
end

-- Somebody came across the ready message of a job that had ended.
local function come_across(id, state, value)
  if state ~= 'succeeded' then keep_message(id, value) end
  call('HDEL', record(id), 'waits')
  call('PEXPIRE', P .. 'gone:' .. id, KEEP * 7)
end

-- A job that ended is about to run again under its id: what its last run left is forgotten, how it ended is noted, and
-- the rest of its chain, if its message has one, waits for it again.
local function reopen(id, now, chained)
  local rec = record(id)
  local r = call('HMGET', rec, 'state', 'attempts', 'started_at', 'finished_at', 'former', 'tag', 'chain')
  if not r[2] and r[3] then note_attempt(rec, r[4], r[1]) end
  call('HINCRBY', rec, 'fence', 1) -- an attempt of the last run that is still at it comes too late from now on
  if r[6] then call('HSET', rec, 'former', ((r[5] or '') .. r[6] .. ' '):sub(-400)) end
  call('PERSIST', rec)
  call('PERSIST', P .. 'log:' .. id)
  call('DEL', P .. 'gone:' .. id, P .. 'kept:' .. id, RESULT .. id)
  call('ZREM', P .. 'dead', id)
  call('HDEL', P .. 'dead:messages', id)
  call('HDEL', rec, 'cancel', 'losses', 'started_at', 'finished_at', 'worker', 'progress', 'error', 'due', 'retried',
    'nesting', 'once', 'waits', 'acked')
  if not chained then call('HDEL', rec, 'chain', 'body') end
  for child in (chained and r[7] or ''):gmatch('%S+') do
    local state = call('HGET', record(child), 'state')
    if state and TERMINAL[state] then
      reopen(child, now, false)
      call('HDEL', record(child), 'tag')
      call('HSET', record(child), 'state', 'scheduled', 'reason', 'after its parent')
      call('PEXPIRE', record(child), KEEP * 7)
      journal(child, 'scheduled', nil, now, 'after its parent')
    end
  end
end

-- The message of a cancelled member of a chord: whoever fetches it drops it, and lets the chord know.
local function drop_later(id, queue, key, raw)
  call('LPUSH', key, raw)
  await_drop(id)
  call('HINCRBY', P .. 'pushed', queue, 1)
  ring(queue)
end

-- One delivery ends without a result: the message goes back to the head (or tail) of its list. `why` is '' for one
-- that never started; the place `lost` counts a started attempt: too many, and it goes to the dead letters.
-- Replies the raw message when it was buried.
local function put_back(token, now, why, place)
  local id, fence = split(token)
  local value = call('HGET', P .. 'inflight:messages', token)
  if call('ZREM', P .. 'inflight', token) == 0 or not value then return nil end
  call('HDEL', P .. 'inflight:messages', token)
  local queue, key, raw = unpack_message(value)
  local rec = record(id)
  local r = redis.pcall('HMGET', rec, 'state', 'started', 'fence', 'cancel', 'retries', 'tag', 'former', 'once', 'body')
  if r.err then -- it is no record: nobody could ever end such a job
    bury(id, value, now, 'its record is damaged')
    return raw
  end
  if r[1] and tonumber(r[3] or 0) ~= fence then count('dropped') return nil end
  if r[1] and TERMINAL[r[1]] then -- unacknowledged, for others wait: who fetches it drops it and tells them
    call('RPUSH', key, raw)
    call('HINCRBY', P .. 'popped', queue, -1)
    await_drop(id)
    ring(queue)
    return nil
  end
  local started = r[1] and tonumber(r[2] or 0) == fence
  local e = envelope(raw)
  local retried = e and r[1] and superseded(e, r[5], r[6], r[7]) -- its retry is published
  if started then note_attempt(rec, now, retried and 'retry' or why) end
  if r[1] and r[4] then -- it was asked to stop: its end is the cancellation, not another run
    end_cancelled(id, fence, now, r[4], value)
    if r[9] then drop_later(id, queue, key, raw) end
    return nil
  end
  if retried then count('dropped') return nil end
  local losses = started and place == 'lost' and call('HINCRBY', rec, 'losses', 1) or 0
  if losses >= MAX_LOSSES or started and r[8] then
    bury(id, value, now, why)
    store_end(id, 'lost', why)
    close(id, 'lost', now, why, fence)
    return raw
  end
  if started then call('DEL', RESULT .. id) end -- it says "started"
  call(place == 'tail' and 'LPUSH' or 'RPUSH', key, raw)
  if r[1] then
    call('HINCRBY', P .. 'popped', queue, -1)
    call('HSET', rec, 'state', 'queued', 'reason', why)
    if started then journal(id, 'queued', fence, now, why) end
  end
  if call('HEXISTS', P .. 'paused', queue) == 0 then ring(queue) end
  return nil
end

-- Due messages become ready.
local function promote(now)
  local due = call('ZRANGEBYSCORE', P .. 'delayed', '-inf', now, 'LIMIT', 0, SWEEP)
  for _, member in ipairs(due) do
    local value = undelay(member)
    if value then
      local queue, key, raw = unpack_message(value)
      local id = split(member)
      local r = redis.pcall('HMGET', record(id), 'state', 'tag') -- without an answer, whoever fetches it judges
      local state = r[1]
      if left_behind(raw, r[2]) then
        count('dropped')
      elseif state and TERMINAL[state] then
        count('dropped')
        if state == 'cancelled' then keep_message(id, value) end
      else
        call('LPUSH', key, raw)
        if state then
          call('HSET', record(id), 'state', 'queued', 'pos', call('HINCRBY', P .. 'pushed', queue, 1))
          journal(id, 'queued', nil, now)
        end
        ring(queue)
      end
    end
  end
end

-- Leases that ran out are reclaimed, at most once a second by all workers together. When nobody swept for half a lease
-- (Redis was down, the machine slept), nothing is reclaimed for one full lease: the living renew first.
-- Replies {id, raw, …} of what was buried.
local function sweep(now)
  local s = call('HMGET', P .. 'sweep', 'last', 'grace')
  local last, grace = tonumber(s[1] or 0), tonumber(s[2] or 0)
  if last ~= 0 and now >= last and now - last < math.min(1000, LEASE / 10) then return {} end
  if last == 0 or now - last > LEASE / 2 or now < last then grace = now + LEASE end
  call('HSET', P .. 'sweep', 'last', int(now), 'grace', int(grace))
  local buried = {}
  if now < grace then return buried end
  for _, token in ipairs(call('ZRANGEBYSCORE', P .. 'inflight', '-inf', now, 'LIMIT', 0, SWEEP)) do
    count('reclaimed')
    local raw = put_back(token, now, 'worker lost', 'lost')
    if raw then buried[#buried + 1] = split(token); buried[#buried + 1] = raw end
  end
  return buried
end

-- Ends a delivery: nothing of it is left in flight. Replies whether it still was.
local function settle(token)
  call('HDEL', P .. 'inflight:messages', token)
  return call('ZREM', P .. 'inflight', token) == 1
end

-- A delivery is acknowledged. If its job has not ended, it was before its work, or nobody will tell of its end: its record
-- does not wait for that for ever.
local function acknowledged(token)
  local value = call('HGET', P .. 'inflight:messages', token)
  local held, id, fence = settle(token), split(token)
  if not held or not fence or not value then return held end
  local r = redis.pcall('HMGET', record(id), 'state', 'tag')
  if r[1] and not TERMINAL[r[1]] and r[2] and not left_behind(value, r[2]) then -- no retry of it is published
    call('HSET', record(id), 'acked', fence)
    call('PEXPIRE', record(id), KEEP * 7)
  end
  return held
end
