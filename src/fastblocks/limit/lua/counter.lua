-- Sliding window counter. A rule: limit, period. Its state: the end of the window, used before it, used in it.

-- Whether a * b > c * d, for a and c below 2^32, b and d below 2^53: in limbs of 21 bits.
local function limbs(a, b)
  local low = b % 2097152
  local middle = (b - low) / 2097152 % 2097152
  local high = (b - low - middle * 2097152) / 4398046511104
  low = a * low
  middle = a * middle + math.floor(low / 2097152)
  return a * high + math.floor(middle / 2097152), middle % 2097152, low % 2097152
end

local function above(a, b, c, d)
  local high, middle, low = limbs(a, b)
  local than_high, than_middle, than_low = limbs(c, d)
  if high ~= than_high then
    return high > than_high
  end
  return later(middle, low, than_middle, than_low)
end

local state, longest = load(), 0
if not spend then
  return reply
end
local at = 1
for i = 3, #arg, 2 do
  local limit, period = arg[i], arg[i + 1]
  local past = elapsed(period)
  local left = period - past
  local end_s, end_n = plus(left, now_s, now_n)
  local before, used = 0, 0
  if state[at] then
    local start_s, start_n = plus(-past, now_s, now_n)
    if later(state[at], state[at + 1], now_s, now_n) then
      if later(state[at], state[at + 1], end_s, end_n) then -- the clock is behind: at the beginning of that window
        end_s, end_n, left = state[at], state[at + 1], period
      end
      before, used = state[at + 2], state[at + 3]
    elseif state[at] == start_s and state[at + 1] == start_n then
      before = state[at + 3]
    end
  end
  local room = limit - used - cost
  if room < 0 or above(before, left, room, period) then
    return reply
  end
  state[at], state[at + 1] = end_s, end_n
  state[at + 2], state[at + 3] = before, used + cost
  longest = math.max(longest, wait(end_s, end_n) + period)
  at = at + 4
end
store(state, longest)
return reply
