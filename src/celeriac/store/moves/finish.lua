#!lua flags=allow-oom
-- The ends of attempts, one after the other: Celery's result, the record, the journal and the acknowledgement of each, in
-- one move. A second terminal state and a late attempt are refused and counted. What ends wait for is looked up at once,
-- and leases end together, after the records. An end that fails for what its own keys hold is a dead letter, and the others
-- go on; where keys of all are at fault it keeps its lease, those before it hold, and the rest waits.
-- ARGV, for each end: id, fence (0 unknown), move (of job.py), Celery's meta, started (ms before now), worker,
--       error (JSON, '' none), reason, 1 if the message is acknowledged | 0, 1 if Celery's result is stored | 0
-- Reply, for each: 'ok' | 'done' (already terminal) | 'late' | '!<error>' (it cannot be written)
local now = time()
local carried = call('EXISTS', P .. 'history') * CARRIED
local tokens, leases, over, totals = {}, {}, {}, {}
for at = 1, #ARGV - 5, 10 do tokens[#tokens + 1] = A(at) .. ':' .. A(at + 1) end
for i, deadline in ipairs(call('ZMSCORE', P .. 'inflight', unpack(tokens))) do leases[tokens[i]] = deadline end

local function end_attempt(at)
  local id, fence, move, error, reason = A(at), N(at + 1), A(at + 2), A(at + 6), A(at + 7)
  local rec, token = record(id), id .. ':' .. A(at + 1)
  local r = call('HMGET', rec, 'state', 'fence', 'started', 'cancel', 'attempts', 'retried', 'worker', 'attempt',
    'started_at', 'seq', 'trail', 'callback_url', 'counted')
  local known = { r[10], r[11], r[12], r[13] }
  local function acknowledge()
    if A(at + 8) == '0' then return true end
    if fence == 0 or not leases[token] then return false end
    leases[token] = nil
    over[#over + 1] = token
    return true
  end
  local function store()
    if A(at + 9) ~= '1' then return end
    call('SET', RESULT .. id, A(at + 3), 'PX', KEEP)
    call('PUBLISH', RESULT .. id, A(at + 3))
  end
  if not r[1] and fence == 0 then -- never submitted through a queue (eager, a test): Celery's result alone
    store()
    return 'ok'
  end
  -- The delivery of a job makes its record, if its publish did not: a leased attempt that finds none had one, and its job
  -- is forgotten, or the server's memory was lost and the job runs once more from the history.
  if fence > 0 and (not r[1] or tonumber(r[2] or 0) ~= fence) then
    if (move == 'retry' or move == 'replace') and handed_over(r[6], fence) then -- its retry has been fetched already
      note_attempt(rec, now, move, A(at + 5), int(now - N(at + 4)))
      acknowledge()
      return 'ok'
    end
    count('late_results')
    acknowledge()
    return 'late'
  end
  if not MOVES[move].from[r[1]] then
    count('second_ends')
    acknowledge()
    return 'done'
  end
  local to = MOVES[move].to
  local stopped = r[4] and to == 'retrying' -- instead of its retry
  if stopped then to = 'cancelled' end
  if r[4] and to == 'cancelled' then reason = r[4] end
  local value = to ~= 'succeeded' and call('HGET', P .. 'inflight:messages', token)
  local held = acknowledge()
  local begun, fields = tonumber(r[3] or 0) == fence, {}
  if fence > 0 and not (begun and r[7]) then
    r[7], r[8], r[9] = A(at + 5), int((r[8] or 0) + (begun and 0 or 1)), int(now - N(at + 4))
    fields = { 'attempt', r[8], 'started', fence, 'started_at', r[9], 'worker', r[7] }
  end
  if error ~= '' then
    fields[#fields + 1] = 'error'
    fields[#fields + 1] = error
  end
  if to == 'retrying' then
    note_attempt(rec, now, 'retry', r[7], r[9])
    store() -- the retry's own message is already published: waiting, or ready
    if r[1] ~= 'queued' then
      fields[#fields + 1] = 'state'
      fields[#fields + 1] = to
    end
    journal(id, to, fence, now, reason, fields, nil, known)
    return 'ok'
  end
  if to == 'scheduled' then -- other jobs do its work, the last of them under its id
    note_attempt(rec, now, move, r[7], r[9])
    if #fields > 0 then call('HSET', rec, unpack(fields)) end
    if not handed_over(r[6], fence) then
      call('HSET', rec, 'state', to, 'reason', 'after its parent')
      call('HDEL', rec, 'tag')
      delist(id, r[13])
      call('PEXPIRE', rec, KEEP * 7)
      journal(id, to, fence, now, 'replaced')
    end
    return 'ok'
  end
  if r[5] or r[6] then
    note_attempt(rec, now, to, r[7], r[9])
    if to == 'succeeded' then call('HDEL', rec, 'error') end -- of an earlier attempt
  end
  local meta = A(at + 9) == '1' and A(at + 3) or ''
  local plain = to == 'succeeded' and fence > 0 and not (r[5] or r[6]) and #meta <= carried
  local left = plain and table.concat({ r[7], r[9] or '', r[8] or '', meta }, '\n')
  close(id, to, now, reason, fence, fields, left, known, totals)
  if to ~= 'succeeded' or not held then retain(id, value) end
  if stopped then store_end(id, to, reason) else store() end
  return 'ok'
end

-- An end that the server refuses for what its own job's keys hold: its message goes to the dead letters.
local UNWRITTEN = 'its end cannot be written'
local function set_aside(at)
  local id, fence, token = A(at), N(at + 1), A(at) .. ':' .. A(at + 1)
  local value = call('HGET', P .. 'inflight:messages', token)
  if not settle(token) or not value or TERMINAL[redis.pcall('HGET', record(id), 'state')] then return end
  bury(id, value, now, UNWRITTEN)
  store_end(id, 'lost', UNWRITTEN)
  if not pcall(close, id, 'lost', now, UNWRITTEN, fence) then
    redis.pcall('HSET', record(id), 'state', 'lost', 'finished_at', int(now), 'reason', UNWRITTEN)
  end
end

local outcomes, failure = {}, nil
for at = 1, #ARGV - 5, 10 do
  local done = #over
  local whole, outcome = pcall(end_attempt, at)
  if not whole then
    over[done + 1] = nil
    if not is_own_fault() then
      failure = outcome
      break
    end
    set_aside(at)
    outcome = '!' .. why_of(outcome)
  end
  outcomes[#outcomes + 1] = outcome
end
if #over > 0 then
  call('HDEL', P .. 'inflight:messages', unpack(over))
  call('ZREM', P .. 'inflight', unpack(over))
end
for state, n in pairs(totals) do call('HINCRBY', P .. 'totals', state, n) end
if failure then return redis.error_reply(why_of(failure)) end
return outcomes
