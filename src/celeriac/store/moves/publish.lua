-- Record, message and wake-up of one submission, or none of them.
-- ARGV: list key, queue, raw message, id, task, retries, delivery tag, delay (ms, -1 none), deadline (ms, 0 none),
--       queue cap (0 none), fence of the attempt that publishes its own retry (0 none, -1 a job restored from the
--       history, -2 whoever submits may be repeating it: queued only where nothing is known of it, -3 a job that ended
--       and runs again), n, (field, value) × n/2 (the first is `args`),
--       m, (id, task, `chain` | `body`) × m/3 of the jobs that follow this one in its chain, or its chord's body,
--       what makes it the same as another submission ('' nothing), for how long (ms),
--       whose unfinished jobs it is counted with ('' nobody's), and how many of them there may be (0 no limit).
-- Reply: {outcome, now}; outcome: queued | scheduled | duplicate | superseded | late | full | many | cancelled |
--        same <id> | !<state> (it has not ended) | gone.
-- Race closed: a producer that gave up waiting (deadline) never finds its job queued afterwards.
local now = time()
local key, queue, raw, id, task, retries, tag = A(1), A(2), A(3), A(4), A(5), N(6), A(7)
local delay, deadline, cap, fence, n = N(8), N(9), N(10), N(11), N(12)
if deadline > 0 and now > deadline then return { 'late', int(now) } end
local base = 13 + n
local tail = base + N(base)
local same, unique_for, owner, most = A(tail + 1), N(tail + 2), A(tail + 3), N(tail + 4) or 0
local claim = P .. 'unique:' .. (same or '')
if same and same ~= '' and call('EXISTS', record(id)) == 0 then -- the next of a chain is known, and is waited for
  local other, ends = (call('GET', claim) or ''):match('^(.*) (%d+)$')
  local as = other and other ~= id and call('HGET', record(other), 'state')
  if as and (as == 'queued' or as == 'scheduled' or as == 'retrying'
    or now < tonumber(ends) and (not TERMINAL[as] or as == 'succeeded')) then
    return { 'same ' .. other, int(now) }
  end
end
local full = cap > 0 and call('LLEN', key) >= cap and 'full'
if id == '' then
  if full then return { full, int(now) } end
  call('LPUSH', key, raw)
  ring(queue)
  call('PEXPIRE', P .. 'bell:' .. queue, KEEP) -- replies of remote control have a queue of their own for each caller
  return { 'queued', int(now) }
end
local rec = record(id)
local r = call('HMGET', rec, 'state', 'retries', 'tag', 'fence', 'cancel')
if r[3] and r[3] == tag then return { 'duplicate', int(now) } end -- asked again, for a reply was lost
if fence == -3 then
  if not (r[1] and MOVES.resubmit.from[r[1]]) then return { r[1] and '!' .. r[1] or 'gone', int(now) } end
elseif fence < 0 and (r[1] or call('EXISTS', P .. 'gone:' .. id) == 1) then
  return { 'duplicate', int(now) }
elseif fence > 0 and not r[1] and call('EXISTS', P .. 'gone:' .. id) == 1 then -- a late attempt of a job that is forgotten
  count('late_retries')
  return { 'superseded', int(now) }
end
if most > 0 and tonumber(call('HGET', P .. 'unfinished', owner) or 0) >= most then full = 'many' end
if full then return { full, int(now) } end
local state = delay > 0 and 'scheduled' or 'queued'
-- What a new job's record says of it, for the history: in the order of journal.py, where it is small.
local function submission(now)
  local said = {}
  for i = 1, n, 2 do said[A(12 + i)] = A(13 + i) end
  local args, options = said.args or '', said.options or ''
  if args == '' or #args + #options > CARRIED or call('EXISTS', P .. 'history') == 0 then return nil end
  local due = delay > 0 and int(now + delay) or ''
  return table.concat({ task, queue, said.owner or '', int(now), due, retries, args, options, said.parent_id or '',
    said.root_id or '', said.group or '' }, '\31')
end
if not r[3] and r[1] and TERMINAL[r[1]] then return { 'cancelled', int(now) } end -- cancelled before its parent was done
if r[3] then
  local given = {}
  for i = 1, n, 2 do given[A(12 + i)] = A(13 + i) end
  if fence > 0 then -- an attempt asks for its own retry: it must still own the job
    if TERMINAL[r[1]] or tonumber(r[4] or 0) ~= fence then count('late_retries') return { 'superseded', int(now) } end
    if r[5] then return { 'cancelled', int(now) } end
  end
  if TERMINAL[r[1]] then -- the caller reuses an id: the same job runs again
    -- its own parent does not: it ran twice, or finds out late that it had lost its lease
    if given.parent_id and call('HGET', rec, 'parent_id') == given.parent_id then return { 'duplicate', int(now) } end
    reopen(id, now, N(13 + n) > 0)
  elseif tonumber(given.nesting or 0) > tonumber(call('HGET', rec, 'nesting') or 0) then -- it replaces itself
    fence = tonumber(r[4] or 0)
  elseif retries <= tonumber(r[2] or 0) then
    return { 'duplicate', int(now) }
  elseif delay > 0 then
    state = 'retrying'
  end
  if fence > 0 then -- the attempt that publishes this is over
    hand_over(id, call('HGET', rec, 'retried'), fence)
    if tonumber(call('HGET', rec, 'started') or 0) ~= fence then -- and tells of its start when it tells of its end
      call('HINCRBY', rec, 'attempt', 1)
      call('HSET', rec, 'started', fence)
      call('HDEL', rec, 'worker', 'started_at')
    end
  end
  call('DEL', RESULT .. id) -- it says "started", and that attempt may not live to say "retry"
end
local fields = { 'state', state, 'task', task, 'queue', queue, 'retries', retries, 'tag', tag, 'reason', '' }
for i = 1, n do fields[#fields + 1] = A(12 + i) end
if n > 1 and A(13) == 'args' and A(14) == '' then keep_body(id, raw) end
if not r[3] and fence ~= -1 then
  fields[#fields + 1] = 'created_at'
  fields[#fields + 1] = int(now)
end
local hand
if delay > 0 then
  local due = int(now + delay)
  fields[#fields + 1] = 'due'
  fields[#fields + 1] = due
  local member = id .. ':' .. int(retries)
  delay_until(member, due, queue, pack(queue, key, raw))
else
  if r[3] then call('HDEL', rec, 'due', 'acked') end
  fields[#fields + 1] = 'pos'
  fields[#fields + 1] = call('HINCRBY', P .. 'pushed', queue, 1)
  if not r[1] and fence ~= -1 and call('LLEN', P .. 'bell:' .. queue) == 0 then hand = waiter(queue, key, now) end
  if hand then -- its first attempt: nothing else is known of it
    fields[#fields + 1] = 'fence'
    fields[#fields + 1] = 1
  else
    call('LPUSH', key, raw)
    ring(queue)
  end
end
if r[1] then call('PERSIST', rec) end
if owner and owner ~= '' then
  if r[1] then
    enlist(id, owner)
  else -- nothing is known of it, so nobody counts it yet
    fields[#fields + 1] = 'counted'
    fields[#fields + 1] = owner
    call('HINCRBY', P .. 'unfinished', owner, 1)
  end
end
if fence == -1 then -- its steps go on from those that the history knows
  call('HSET', rec, unpack(fields))
  journal(id, state, nil, now, call('HGET', rec, 'reason')) -- Redis has lost it, or it ended long ago and runs once more
else
  journal(id, state, nil, now, '', fields, not r[1] and submission(now) or nil, not r[1] and NEW or nil)
end
for i = 1, n, 2 do -- the children of one job, and the members of one group, find one another
  if A(12 + i) == 'parent_id' or A(12 + i) == 'group' then
    local kin = P .. 'kin:' .. A(13 + i)
    if call('ZCARD', kin) < 1000 then call('ZADD', kin, 'NX', int(now), id) end
    call('PEXPIRE', kin, KEEP * 7)
  end
end
if same and same ~= '' then -- longer than it lasts: while the job waits, another one is still the same
  call('SET', claim, id .. ' ' .. int(now + unique_for), 'PX', int(unique_for + 7 * KEEP))
end
local followers = {}
for i = 1, N(base), 3 do -- jobs that are not published yet are known, and say why they wait
  local child = record(A(base + i))
  if call('EXISTS', child) == 0 then
    call('HSET', child, 'state', 'scheduled', 'task', A(base + i + 1), 'reason', 'after its parent', 'parent', id,
      'created_at', int(now), 'seq', 1, 'trail', '1' .. LETTERS.scheduled .. int(now) .. ' after its parent\n')
    if owner and owner ~= '' then call('HSET', child, 'owner', owner) end
    call('PEXPIRE', child, KEEP * 7)
  end
  local how = A(base + i + 2)
  followers[how] = (followers[how] or '') .. A(base + i) .. ' '
end
for how, ids in pairs(followers) do call('HSET', rec, how, ids) end
if hand then hand_over_to(hand, id .. ':1', queue, key, raw, now) end
return { state, int(now) }
