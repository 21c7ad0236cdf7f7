-- Deletes a user's presence, except the published state if it has to be revoked.
-- KEYS: the shard's due list, the user's hash
-- ARGV: user, how long to keep the published state (ms)
-- Returns 1 if it has to be revoked, else 0.
local told = tonumber(redis.call('HGET', KEYS[2], 'told') or 0)
redis.call('DEL', KEYS[2])
if told == 0 then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return 0
end
redis.call('HSET', KEYS[2], 'told', told)
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('ZADD', KEYS[1], 0, ARGV[1])
return 1
