-- Renews a node's presence leases.
-- KEYS: the shard's due list, each user's hash
-- ARGV: the node, how long to keep when a user was last seen (ms); then per user: id, state, life of the lease (ms)
-- Returns per user whose published state differs: id, state, last seen (ms).
local changed = {}
for i = 2, #KEYS do
  local key, at = KEYS[i], 3 * (i - 2) + 2
  local user, state, life = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local shown = now
  if state == 0 then
    shown = 0
  end
  redis.call('HSET', key, ARGV[1], state .. ' ' .. (now + life) .. ' ' .. shown)
  redis.call('PEXPIRE', key, ARGV[2])
  local best, seen, told, change, lapsed = look(key)
  settle(key, KEYS[1], user, best, seen, told, change, lapsed)
  if best ~= told then
    changed[#changed + 1] = user
    changed[#changed + 1] = best
    changed[#changed + 1] = seen
  end
end
return changed
