-- What the scripts about presence share. A field of a user's hash that is a
-- node's says "state expires at": until when (ms) the node's word counts, and
-- when (ms) the user was last seen there, 0 when he does not show it.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- look returns a user's state, when he was last seen, what others were last
-- told, when the state may next change by itself (nil: never), and the fields
-- that count no more.
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

-- settle forgets what counts no more, and notes when the user is to be looked
-- at again: soon when others were told another state, for any node to tell.
local function settle(key, due, user, state, seen, told, change, lapsed)
  if #lapsed > 0 then
    redis.call('HSET', key, 'seen', seen) -- first: a hash without fields is gone, and with it when it expires
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
