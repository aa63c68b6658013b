-- Token bucket and leaky bucket (GCRA). Times here have, besides nanoseconds, a fraction of the next one in
-- units of 1 / count. A rule: count, then two durations as (seconds, nanoseconds, fraction): how much may be
-- missing for the call to be allowed, and what it costs. Its state: when the bucket will be whole again.

local at, after, longest, from = 1, '', 0, 1
repeat
  local count, room_s, room_n, room_f, cost_s, cost_n, cost_f, s, n, f
  count, room_s, room_n, room_f, cost_s, cost_n, cost_f, at = parse('<ddddddd', rules, at)
  if state then
    s, n, f, from = parse('<ddd', state, from)
  end
  if not state or s < now_s or s == now_s and n < now_n then
    s, n, f = now_s, now_n, 0
  end
  room_s, room_n = room_s + now_s, room_n + now_n
  if room_n >= 1e9 then
    room_s, room_n = room_s + 1, room_n - 1e9
  end
  if s > room_s or s == room_s and (n > room_n or n == room_n and f > room_f) then
    return reply
  end
  s, n, f = s + cost_s, n + cost_n, f + cost_f
  if f >= count then
    n, f = n + 1, f - count
  end
  if n >= 1e9 then
    s, n = s + 1, n - 1e9
  end
  after = after .. pack('<ddd', s, n, f)
  local left = (s - now_s) * 1e9 + n - now_n + 1
  if left > longest then
    longest = left
  end
until at > #rules
call('SET', key, after, 'PX', math.floor(longest / 1e6) + spare)
return reply
