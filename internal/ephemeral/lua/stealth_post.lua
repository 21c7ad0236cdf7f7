-- Stores a stealth message and publishes it, unless its Idempotency-Key is known or
-- the conversation has too many messages.
-- KEYS: the conversation's list, the message, the shard's due list, the channel, the idempotency key
-- ARGV: id, author and message, TTL in ms, due member, maximum number of messages, what to publish,
--       the answer to keep ("" without a key), its TTL in ms
-- Returns "" if stored, "full", or the answer of the first attempt.
if ARGV[7] ~= '' then
  local answered = redis.call('GET', KEYS[5])
  if answered then
    return answered
  end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ttl = tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[5]) then
  return 'full'
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ttl)
redis.call('ZADD', KEYS[1], now + ttl, ARGV[1])
if redis.call('PTTL', KEYS[1]) < ttl then
  redis.call('PEXPIRE', KEYS[1], ttl)
end
redis.call('ZADD', KEYS[3], now + ttl, ARGV[4])
if ARGV[7] ~= '' then
  redis.call('SET', KEYS[5], ARGV[7], 'PX', ARGV[8])
end
redis.call('SPUBLISH', KEYS[4], ARGV[6])
return ''
