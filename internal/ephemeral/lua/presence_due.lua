-- Lists users whose state may have changed because a lease expired, or was not published.
-- KEYS: the shard's due list
-- ARGV: maximum number of users
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
