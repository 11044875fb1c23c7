-- What happened to jobs after a number of theirs, all of one moment. Changes nothing.
-- ARGV, for each job: id, after   Reply, for each job: {} unknown, or
--   {seq, state, trail, progress, number of the last line that is gone, lines dropped, {line, …}, {step, …}}; the lines
--   and the steps, and the trail if there is anything, only where seq is past that number.

-- The entries "<seq> …" of a list that come after a number, read from its end.
local function tail(key, after)
  local n, found = 16, nil
  repeat
    found = call('LRANGE', key, -n, -1)
    local whole = #found < n or tonumber(found[1]:match('^%d+')) <= after
    n = n * 4
  until whole
  local at = 1
  while found[at] and tonumber(found[at]:match('^%d+')) <= after do at = at + 1 end
  return { unpack(found, at) }
end

local reply = {}
for i = 1, #ARGV - 5, 2 do
  local id, after = A(i), N(i + 1)
  local r = call('HMGET', record(id), 'seq', 'state', 'trail', 'progress', 'cut', 'dropped')
  local seq = tonumber(r[1] or 0)
  if not r[2] then
    reply[#reply + 1] = {}
  elseif seq <= after then
    reply[#reply + 1] = { seq, r[2], '', '', 0, 0, {}, {} }
  else
    reply[#reply + 1] = { seq, r[2], r[3] or '', r[4] or '', tonumber(r[5] or 0), tonumber(r[6] or 0),
      tail(P .. 'log:' .. id, after), tail(P .. 'steps:' .. id, after) }
  end
end
return reply
