#!lua flags=allow-oom
-- A consumer waits no longer: no message is handed to it from now on, and one that it was handed and never read goes back.
-- ARGV: its hand, token of the last message that it read there ('' none)
local now, key = time(), P .. 'waits:' .. A(1)
local token = call('GET', key)
call('DEL', key, P .. 'hand:' .. A(1))
if token and token ~= '' and token ~= A(2) then put_back(token, now, '', 'head') end
return 1
