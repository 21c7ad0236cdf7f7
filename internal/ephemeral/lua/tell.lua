-- Tells others a user's state, if it is still that and they were not told.
-- KEYS: the shard's due list, the user's hash, the channel
-- ARGV: user, state, what to publish
-- Returns 1 when it was published, else 0.
local state, seen, told, change, lapsed = look(KEYS[2])
local told_now = state == tonumber(ARGV[2]) and state ~= told
if told_now then
  told = state
  redis.call('HSET', KEYS[2], 'told', told)
  redis.call('SPUBLISH', KEYS[3], ARGV[3])
end
settle(KEYS[2], KEYS[1], ARGV[1], state, seen, told, change, lapsed)
return told_now and 1 or 0
