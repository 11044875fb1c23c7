-- Of requests with the same idempotency key the first reserves it, together with the id that its job will have.
-- ARGV: key, fingerprint of the request, id to reserve, time that the key is kept (ms), time after which a request
--       without an answer is given up (ms)
-- Reply: {'first', id} | {'again', id reserved by the one that was given up} | {'busy'} | {'other'} | {'done', answer}
-- Race closed: two equal requests at once never find the key free both.
local now = time()
local key = P .. 'idempotency:' .. A(1)
local r = call('HMGET', key, 'fingerprint', 'id', 'since', 'answer')
if not r[1] then
  call('HSET', key, 'fingerprint', A(2), 'id', A(3), 'since', int(now))
  call('PEXPIRE', key, A(4))
  return { 'first', A(3) }
end
if r[1] ~= A(2) then return { 'other' } end
if r[4] then return { 'done', r[4] } end
if now < tonumber(r[3]) + N(5) then return { 'busy' } end
call('HSET', key, 'since', int(now))
return { 'again', r[2] }
