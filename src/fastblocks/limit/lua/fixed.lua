-- Fixed window. A rule: limit, period. Its state: the end of the window, used.

local cost, at = parse('<d', rules)
local after, longest, from = '', 0, 1
local odd = now_s % 2 -- an even number of seconds is exact in nanoseconds too
repeat
  local limit, period, s, n, used
  limit, period, at = parse('<dd', rules, at)
  local past = fmod(fmod((now_s - odd) * 1e9, period) + odd * 1e9 + now_n, period)
  local left = (past < 0 and 0 or period) - past
  if state then
    s, n, used, from = parse('<ddd', state, from)
  end
  if state and (s > now_s or s == now_s and n > now_n) then -- in that window; in a later one, if the clock is behind
    left = (s - now_s) * 1e9 + n - now_n
  else
    s, n, used = now_s, now_n + left, 0
    s, n = s + (n - fmod(n, 1e9)) / 1e9, fmod(n, 1e9)
  end
  if used + cost > limit then
    return reply
  end
  after = after .. pack('<ddd', s, n, used + cost)
  if left > longest then
    longest = left
  end
until at > #rules
call('SET', key, after, 'PX', math.floor(longest / 1e6) + spare)
return reply
