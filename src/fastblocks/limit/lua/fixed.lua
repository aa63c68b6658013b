-- Fixed window. A rule: limit, period. Its state: the end of the window, used.

local state, longest = load(), 0
if not spend then
  return reply
end
local at = 1
for i = 3, #arg, 2 do
  local limit, period = arg[i], arg[i + 1]
  local end_s, end_n = plus(period - elapsed(period), now_s, now_n)
  local used = 0
  if state[at] and later(state[at], state[at + 1], now_s, now_n) then
    end_s, end_n, used = state[at], state[at + 1], state[at + 2]
  end
  if used + cost > limit then
    return reply
  end
  state[at], state[at + 1], state[at + 2] = end_s, end_n, used + cost
  longest = math.max(longest, wait(end_s, end_n))
  at = at + 3
end
store(state, longest)
return reply
