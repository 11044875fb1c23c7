#!lua flags=allow-oom
-- Takes up to n ready messages off a list for good; their jobs end as cancelled.
-- ARGV: list key, queue, n, reason, Celery's REVOKED meta with @ID@ for the id   Reply: {messages taken, jobs cancelled}
-- A message that its job has left behind (an older retry, a job that ended) goes without touching the record.
local now = time()
local key, queue, reason, meta = A(1), A(2), A(4), A(5)
local raws = call('RPOP', key, N(3)) or {}
if #raws > 0 then call('HINCRBY', P .. 'popped', queue, #raws) end
local cancelled = 0
for _, raw in ipairs(raws) do
  local e = envelope(raw)
  local r = e and e.id and call('HMGET', record(e.id), 'state', 'retries', 'tag', 'former') or {}
  if r[1] and not TERMINAL[r[1]] and not superseded(e, r[2], r[3], r[4]) then
    local result = meta:gsub('@ID@', plain(e.id))
    call('SET', RESULT .. e.id, result, 'PX', KEEP)
    call('PUBLISH', RESULT .. e.id, result)
    keep_message(e.id, pack(queue, key, raw))
    close(e.id, 'cancelled', now, reason)
    cancelled = cancelled + 1
  elseif r[1] and TERMINAL[r[1]] and not superseded(e, r[2], r[3], r[4]) then
    come_across(e.id, r[1], pack(queue, key, raw))
  elseif e and e.id and not r[1] then
    call('PEXPIRE', P .. 'gone:' .. e.id, KEEP * 7)
  end
end
return { #raws, cancelled }
