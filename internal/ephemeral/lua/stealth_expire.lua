-- Publishes stealth_gone for messages that have expired.
-- KEYS: the shard's due list, the channel
-- ARGV: maximum number of messages
-- Returns the ms until the next one expires; -1 if there is none.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, member in ipairs(due) do
  redis.call('ZREM', KEYS[1], member)
  local conversation, id = string.sub(member, 1, 36), string.sub(member, 38)
  redis.call('SPUBLISH', KEYS[2], 's ' .. conversation .. ' - -\n{"type":"stealth_gone","conversation_id":"' .. conversation ..
    '","id":"' .. id .. '","reason":"expired"}')
end
local next = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if not next[2] then
  return -1
end
return math.max(0, next[2] - now)
