-- Shared by the scripts for presence. A user's hash has a field per node with the
-- value "state expires at": when the node's lease expires (ms), and when the user
-- was last seen there (ms), 0 if they appear offline.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- look returns a user's state, when they were last seen, the published state, when
-- the next lease expires (nil: never), and the fields of expired leases.
local function look(key)
  local state, seen, told, change, lapsed = 0, 0, 0, nil, {}
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    if name == 'told' then
      told = tonumber(value)
    elseif name == 'seen' then
      seen = math.max(seen, tonumber(value))
    else
      local s, expires, at = string.match(value, '^(%d+) (%d+) (%d+)$')
      expires = tonumber(expires)
      seen = math.max(seen, tonumber(at))
      if expires > now then
        state = math.max(state, tonumber(s))
        change = math.min(change or expires, expires)
      else
        lapsed[#lapsed + 1] = name
      end
    end
  end
  return state, seen, told, change, lapsed
end

-- settle deletes expired leases and schedules the next check of the user: soon if
-- the published state differs, so that any node publishes it.
local function settle(key, due, user, state, seen, told, change, lapsed)
  if #lapsed > 0 then
    redis.call('HSET', key, 'seen', seen) -- first: Redis deletes a hash without fields, and its expiry with it
    redis.call('HDEL', key, unpack(lapsed))
  end
  if state ~= told then
    change = math.min(change or now + 1000, now + 1000)
  end
  if change then
    redis.call('ZADD', due, change, user)
  else
    redis.call('ZREM', due, user)
  end
end
