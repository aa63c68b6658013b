-- Token bucket and leaky bucket (GCRA). Times here have, besides nanoseconds, a fraction of the next one in
-- units of 1 / count. A rule: count, then two durations as (seconds, nanoseconds, fraction): how much may be
-- missing for the call to be allowed, and what it costs. Its state: when the bucket will be whole again.

local state, longest = load(), 0
if not spend then
  return reply
end
local at = 1
for i = 3, #arg, 7 do
  local count, room_s, room_n, room_f = arg[i], arg[i + 1], arg[i + 2], arg[i + 3]
  local s, n, f = state[at], state[at + 1], state[at + 2]
  if not s or later(now_s, now_n, s, n) then
    s, n, f = now_s, now_n, 0
  end
  room_s, room_n = room_s + now_s, room_n + now_n
  if room_n >= 1e9 then
    room_s, room_n = room_s + 1, room_n - 1e9
  end
  if later(s, n, room_s, room_n) or s == room_s and n == room_n and f > room_f then
    return reply
  end
  s, n, f = s + arg[i + 4], n + arg[i + 5], f + arg[i + 6]
  if f >= count then
    n, f = n + 1, f - count
  end
  if n >= 1e9 then
    s, n = s + 1, n - 1e9
  end
  state[at], state[at + 1], state[at + 2] = s, n, f
  longest = math.max(longest, wait(s, n) + 1)
  at = at + 3
end
store(state, longest)
return reply
