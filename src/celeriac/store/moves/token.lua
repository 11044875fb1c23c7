-- Sets fields of an API token that exists. ARGV: id, field, value, …   Reply: 1, or 0 when there is no such token.
-- Race closed: a token that is revoked while its last use is written stays revoked.
local key = P .. 'token:' .. A(1)
if call('EXISTS', key) == 0 then return 0 end
call('HSET', key, unpack(ARGV, 7))
return 1
