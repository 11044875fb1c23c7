-- How many deliveries of each queue are in flight, among those of n ranks. Messages are looked at here, not sent.
-- ARGV: first rank, n   Reply: {how many were seen, queue, count, …}
local counts = {}
local tokens = call('ZRANGE', P .. 'inflight', N(1), N(1) + N(2) - 1)
for _, token in ipairs(tokens) do
  local value = call('HGET', P .. 'inflight:messages', token)
  if value then
    local queue = unpack_message(value)
    counts[queue] = (counts[queue] or 0) + 1
  end
end
local reply = { #tokens }
for queue, n in pairs(counts) do
  reply[#reply + 1] = queue
  reply[#reply + 1] = n
end
return reply
