-- Sliding window. ARGV[1] begins with 1 if the call is to be counted, or 0. A rule: limit, period; its state is a
-- list of KEYS of its own. An entry is a time, how much has been counted up to and with it, and how much of that
-- at this time. So calls of one time are one entry whatever they cost, what was counted since some entry is a
-- difference of two totals, and all that is sought is found by bisection.
--
-- Of each rule the reply tells: how much was counted in the period, the time of the entry that must leave for this
-- call to be allowed, and the time of the last; 0, 0 for none.

local ENTRY = '<dI4dI4'

local function entry(key, i)
  return parse(ENTRY, call('LINDEX', key, i))
end

-- The first of n entries from the i-th on for which `holds`, which then holds for all later ones; n if for none.
-- It is sought in steps that double: most often it is near.
local function first(key, i, n, holds)
  local step = 1
  while i + step <= n and not holds(entry(key, i + step - 1)) do
    i, step = i + step, 2 * step
  end
  local high = math.min(i + step - 1, n)
  while i < high do
    local middle = math.floor((i + high) / 2)
    if holds(entry(key, middle)) then
      high = middle
    else
      i = middle + 1
    end
  end
  return i
end

local spend, cost, at = parse('<dd', rules)
local allowed, found = true, {}
for i = 1, #KEYS do
  local limit, period
  key = KEYS[i]
  limit, period, at = parse('<dd', rules, at)
  local live, gone, size, total, last_s, last_n, free_s, free_n = 0, 0, 0, 0, 0, 0, 0, 0
  local latest_s, latest_n = now_s, now_n -- or the time of the last entry, if the clock is behind
  local of_last
  local newest = call('LINDEX', key, -1)
  if newest then
    last_s, last_n, total, of_last = parse(ENTRY, newest)
    if last_s > now_s or last_s == now_s and last_n > now_n then
      latest_s, latest_n = last_s, last_n
    end
    local n = latest_n - period
    local start_n = fmod(n, 1e9)
    if start_n < 0 then
      start_n = start_n + 1e9
    end
    local start_s = latest_s + (n - start_n) / 1e9
    local function counts(s, n)
      return s > start_s or s == start_s and n > start_n
    end
    local s, n, upto, part = entry(key, 0)
    if not counts(s, n) then
      size = call('LLEN', key)
      gone = first(key, 1, size, counts)
      upto, part = total, 0
      if gone < size then
        s, n, upto, part = entry(key, gone)
      end
    end
    live = total - upto + part
    if live == 0 then
      last_s, last_n = 0, 0
    end
  end
  if live + cost > limit then
    allowed = false
    if cost <= limit then
      local enough = total + cost - limit
      free_s, free_n = entry(key, first(key, gone, call('LLEN', key), function(_, _, upto)
        return upto >= enough
      end))
    end
  end
  reply = reply .. pack('<ddddd', live, free_s, free_n, last_s, last_n)
  local same = last_s == latest_s and last_n == latest_n
  found[i] = {period, live, gone, total, latest_s, latest_n, newest, same and of_last}
end
if not allowed or spend == 0 then
  return reply
end
for i = 1, #KEYS do
  local period, live, gone, total, latest_s, latest_n, newest, of_last = unpack(found[i])
  key = KEYS[i]
  local part = cost
  if live == 0 then
    total = 0
    if newest then
      call('DEL', key)
    end
  else
    if gone > 0 then
      call('LTRIM', key, gone, -1)
    end
    if of_last then -- calls of one time become one entry
      call('RPOP', key)
      part = part + of_last
    end
  end
  call('RPUSH', key, pack(ENTRY, latest_s, latest_n, total + cost, part))
  local left = (latest_s - now_s) * 1e9 + latest_n - now_n + period
  call('PEXPIRE', key, math.floor(left / 1e6) + spare)
end
return reply
