-- Reads the presence of users.
-- KEYS: each user's hash
-- Returns per user: state, last seen (ms), published state.
local found = {}
for _, key in ipairs(KEYS) do
  local state, seen, told = look(key)
  found[#found + 1] = state
  found[#found + 1] = seen
  found[#found + 1] = told
end
return found
