#!lua flags=allow-oom
-- A job that ended is forgotten: record, log, result, kept message and dead letter. Its tombstone stays.
-- ARGV: id, 1 if the history knows it where there is no record | 0
-- Reply: 'deleted' | '' (unknown) | '!' .. state (it has not ended)
local id = A(1)
local state = call('HGET', record(id), 'state')
if not state and A(2) ~= '1' then return '' end
if state and not MOVES.delete.from[state] then return '!' .. state end
journal(id, 'deleted', nil, time())
call('DEL', record(id), P .. 'log:' .. id, P .. 'kept:' .. id, RESULT .. id)
call('ZREM', P .. 'dead', id)
call('HDEL', P .. 'dead:messages', id)
call('SET', P .. 'gone:' .. id, 'deleted', 'PX', KEEP * 7)
return 'deleted'
