-- Publishes the states of users that are still true and were not published.
-- KEYS: the shard's due list, the channel, each user's hash
-- ARGV: per user: id, state, what to publish
for i = 3, #KEYS do
  local key, at = KEYS[i], 3 * (i - 3)
  local state, seen, told, change, lapsed = look(key)
  if state == tonumber(ARGV[at + 2]) and state ~= told then
    told = state
    redis.call('HSET', key, 'told', told)
    redis.call('SPUBLISH', KEYS[2], ARGV[at + 3])
  end
  settle(key, KEYS[1], ARGV[at + 1], state, seen, told, change, lapsed)
end
return 0
