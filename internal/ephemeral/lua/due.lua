-- Lists users whose state may have changed by itself, or was not told.
-- KEYS: the shard's due list
-- ARGV: the most to list
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
