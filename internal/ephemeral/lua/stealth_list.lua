-- Lists the ids of a conversation's stealth messages that have not expired.
-- KEYS: the conversation's list
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')
