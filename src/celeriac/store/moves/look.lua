#!lua flags=no-writes
-- A job as it stands, with what lies beside its record: its result when it succeeded, else for how long somebody has it.
-- ARGV: id   Reply: {fields, Celery's result | '', ms for which it is leased (negative: overdue) | '', tombstone | ''}
local id = A(1)
local fields = call('HGETALL', record(id))
local f = {}
for i = 1, #fields, 2 do f[fields[i]] = fields[i + 1] end
if not f.state then return { fields, '', '', call('GET', P .. 'gone:' .. id) or '' } end
if TERMINAL[f.state] then
  return { fields, f.state == 'succeeded' and call('GET', RESULT .. id) or '', '', '' }
end
local deadline = call('ZSCORE', P .. 'inflight', id .. ':' .. (f.fence or '0'))
return { fields, '', deadline and int(deadline - time()) or '', '' }
