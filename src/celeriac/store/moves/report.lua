#!lua flags=allow-oom
-- What a running job said since the last report. One call may report for several jobs.
-- ARGV: cap of the log, then for each job: token, progress (JSON, '' none), Celery's meta ('' none), dropped, n, line × n
-- Reply: {token of a job that was asked to stop | '!<token> <error>' (it cannot be written), …}; reports of late attempts are
-- refused and counted.
local now = time()
local STEPS = 64
local cap, i, stop = N(1), 2, {}

local function say(token, progress, meta, dropped, n)
  local id, fence = split(token)
  local rec = record(id)
  local r = call('HMGET', rec, 'state', 'fence', 'cancel', 'retried')
  local retried = handed_over(r[4], fence) -- the last words of an attempt whose retry has been fetched already
  local ours = fence == 0 or tonumber(r[2] or 0) == fence and call('ZSCORE', P .. 'inflight', token)
  if r[1] and not retried and (TERMINAL[r[1]] or not ours) then
    count('late_reports')
  elseif r[1] then
    local log, steps = P .. 'log:' .. id, P .. 'steps:' .. id
    local entries = {}
    for k = 1, n do
      entries[#entries + 1] = call('HINCRBY', rec, 'seq', 1) .. ' ' .. A(i + 4 + k)
    end
    if progress ~= '' and not retried then
      local step = call('HINCRBY', rec, 'seq', 1) .. ' ' .. progress
      call('HSET', rec, 'progress', step)
      call('RPUSH', steps, step) -- for a minute, so that a watcher who was away misses none
      call('LTRIM', steps, -STEPS, -1)
      call('PEXPIRE', steps, 60000)
      if meta ~= '' then call('SET', RESULT .. id, meta, 'PX', KEEP) call('PUBLISH', RESULT .. id, meta) end
    end
    if n > 0 then
      call('RPUSH', log, unpack(entries))
      local over = call('LLEN', log) - cap
      if over > 0 then
        call('HSET', rec, 'cut', call('LINDEX', log, over - 1):match('^%d+')) -- the last line that is gone
        call('LTRIM', log, over, -1)
        dropped = dropped + over
      end
      if TERMINAL[r[1]] then call('PEXPIRE', log, KEEP) end
    end
    if dropped > 0 then call('HINCRBY', rec, 'dropped', dropped) end
    if n > 0 or dropped > 0 or progress ~= '' then call('PUBLISH', P .. 'wake:' .. id, '') end
    if r[3] then stop[#stop + 1] = token end
  end
end

while A(i) do
  local n = N(i + 4)
  local whole, failure = pcall(say, A(i), A(i + 1), A(i + 2), N(i + 3), n)
  if not whole then
    if not is_own_fault() then return redis.error_reply(why_of(failure)) end
    stop[#stop + 1] = '!' .. A(i) .. ' ' .. why_of(failure)
  end
  i = i + 5 + n
end
return stop
