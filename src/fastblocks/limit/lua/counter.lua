-- Sliding window counter. A rule: limit, period. Its state: the end of the window, used before it, used in it.

-- Whether a * b > c * d, for a and c below 2^32, b and d below 2^53, if the products are the same when rounded.
local function above(a, b, c, d)
  local function limbs(x, y) -- of 21 bits
    local low = y % 2097152
    local middle = (y - low) / 2097152 % 2097152
    local high = (y - low - middle * 2097152) / 4398046511104
    low = x * low
    middle = x * middle + math.floor(low / 2097152)
    return x * high + math.floor(middle / 2097152), middle % 2097152 * 2097152 + low % 2097152
  end
  local high, low = limbs(a, b)
  local than_high, than_low = limbs(c, d)
  return high > than_high or high == than_high and low > than_low
end

local cost, at = parse('<d', rules)
local after, longest, from = '', 0, 1
local odd = now_s % 2 -- an even number of seconds is exact in nanoseconds too
repeat
  local limit, period, s, n, last, used
  local before = 0
  limit, period, at = parse('<dd', rules, at)
  local past = fmod(fmod((now_s - odd) * 1e9, period) + odd * 1e9 + now_n, period)
  if past < 0 then
    past = past + period
  end
  local left = period - past
  if state then
    s, n, last, used, from = parse('<dddd', state, from)
  end
  local ends = left -- in so many nanoseconds
  if state and (s > now_s or s == now_s and n > now_n) then
    before, ends = last, (s - now_s) * 1e9 + n - now_n
    if ends > left then -- the clock is behind: at the beginning of that window
      left = period
    end
  else
    if state and (now_s - s) * 1e9 + now_n - n == past then -- this window began when that one ended
      before = used
    end
    s, n, used = now_s, now_n + left, 0
    s, n = s + (n - fmod(n, 1e9)) / 1e9, fmod(n, 1e9)
  end
  used = used + cost
  local room = limit - used
  if room < 0 then
    return reply
  end
  local weight, most = before * left, room * period -- rounding keeps the order of what differs
  if weight > most or weight == most and weight > 9e15 and above(before, left, room, period) then
    return reply
  end
  after = after .. pack('<dddd', s, n, before, used)
  if ends + period > longest then
    longest = ends + period
  end
until at > #rules
call('SET', key, after, 'PX', math.floor(longest / 1e6) + spare)
return reply
