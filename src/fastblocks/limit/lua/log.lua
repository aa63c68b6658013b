-- Sliding window. A rule: limit, period; its state is a list of KEYS of its own:
--
--     total  time total  time total ...
--
-- A time, in nanoseconds, and how many calls there have been up to and with those of that time. So calls of one
-- time are one entry whatever they cost, the calls since some entry are a difference of two totals, and all that is
-- sought is found by bisection. The first total belongs to entries that are gone.
--
-- Of each rule the reply tells: calls in the period, the time of the one that must leave for this one to
-- be allowed, and the time of the last; 0, 0 for none.

local function split(time)
  return tonumber(string.sub(time, 1, -10)), tonumber(string.sub(time, -9))
end

-- The first of n entries for which `holds`, which then holds for all later ones; n if for none. It is
-- sought from the first one on, in steps that double: most often it is there.
local function first(n, holds)
  local low, step = 0, 1
  while low + step <= n and not holds(low + step - 1) do
    low, step = low + step, 2 * step
  end
  local high = math.min(low + step - 1, n)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if holds(middle) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

local rules, allowed = {}, true
for i, key in ipairs(KEYS) do
  local limit, period = arg[2 * i + 1], arg[2 * i + 2]
  local rule = {key = key, period = period, live = 0, gone = 0, size = 0, total = 0, last_s = 0, last_n = 0}
  rule.s, rule.n = now_s, now_n -- or the time of the last call, if the clock is behind
  rules[i] = rule
  local ends = call('LRANGE', key, -2, -1) -- last time, total
  local unblocks_s, unblocks_n = 0, 0
  if ends[2] then
    rule.size = (call('LLEN', key) - 1) / 2
    rule.total = tonumber(ends[2])
    local last_s, last_n = split(ends[1])
    if later(last_s, last_n, now_s, now_n) then
      rule.s, rule.n = last_s, last_n
    end
    local start_s, start_n = plus(-period, rule.s, rule.n)
    rule.gone = first(rule.size, function(at)
      local s, n = split(call('LINDEX', key, 2 * at + 1))
      return later(s, n, start_s, start_n)
    end)
    rule.live = rule.total - tonumber(call('LINDEX', key, 2 * rule.gone))
    if rule.live > 0 then
      rule.last_s, rule.last_n = last_s, last_n
    end
  end
  if rule.live + cost > limit then
    allowed = false
    if cost <= limit then
      local enough = rule.total + cost - limit
      local at = rule.gone + first(rule.size - rule.gone, function(at)
        return tonumber(call('LINDEX', key, 2 * (rule.gone + at) + 2)) >= enough
      end)
      unblocks_s, unblocks_n = split(call('LINDEX', key, 2 * at + 1))
    end
  end
  reply = reply .. packed({rule.live, unblocks_s, unblocks_n, rule.last_s, rule.last_n})
end
if not (allowed and spend) then
  return reply
end
for _, rule in ipairs(rules) do
  local key, time = rule.key, string.format('%.0f%09.0f', rule.s, rule.n)
  if rule.live == 0 then
    call('DEL', key)
    call('RPUSH', key, 0, time, cost)
  else
    if rule.gone > 0 then
      call('LTRIM', key, 2 * rule.gone, -1)
    end
    if rule.s == rule.last_s and rule.n == rule.last_n then -- one entry for both
      call('LTRIM', key, 0, -3)
    end
    call('RPUSH', key, time, rule.total + cost)
  end
  call('PEXPIRE', key, lifetime(wait(rule.s, rule.n) + rule.period))
end
return reply
