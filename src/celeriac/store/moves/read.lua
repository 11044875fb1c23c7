#!lua flags=no-writes
-- Records as they are, each with Celery's result if it succeeded: many in one JSON text, which costs the caller least.
-- ARGV: bytes up to which a result is read (0 none), n, field × n (`state` is the first), id …
-- Reply: [[value | false × n, result | false], …]
local limit, n = N(1), N(2)
local names, rows = {}, {}
for i = 1, n do names[i] = A(2 + i) end
for i = 3 + n, #ARGV - 5 do
  local row, key = call('HMGET', record(A(i)), unpack(names)), RESULT .. A(i)
  row[n + 1] = limit > 0 and row[1] == 'succeeded' and call('STRLEN', key) <= limit and call('GET', key)
  rows[#rows + 1] = row
end
return cjson.encode(rows)
