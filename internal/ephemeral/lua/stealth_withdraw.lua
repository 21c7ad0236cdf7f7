-- Withdraws a stealth message of its author.
-- KEYS: the conversation's list, the message, the shard's due list, the channel
-- ARGV: id, author, due member, what to publish
-- Returns "" if the message does not exist any more, and "other" if it has another author.
local stored = redis.call('GET', KEYS[2])
if not stored then
  return ''
end
if string.sub(stored, 1, 36) ~= ARGV[2] then
  return 'other'
end
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[3])
redis.call('SPUBLISH', KEYS[4], ARGV[4])
return ''
