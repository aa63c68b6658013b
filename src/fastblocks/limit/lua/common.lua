-- Limits on a server: what the scripts of all kinds of rules share. The file of a kind is appended to this one.
--
-- A script reads the state of one key, decides, stores the state if the call is allowed and to be counted, and
-- returns now and what the state was before: the client tells the rest from these by the same integer arithmetic
-- as everywhere. It must decide exactly as pure/limit/strategies.py does, which is the specification.
--
-- Lua's numbers are doubles, exact for integers below 2^53. So a time is a pair, seconds and nanoseconds in
-- [0, 1e9), and a duration, of 100 days at most, is in nanoseconds. fmod is exact; so are sums that stay below 2^53.
--
-- KEYS[1] the key (of the log: one for each rule)
-- ARGV[1] numbers: whether to count the call, its cost, then those of the rules
-- ARGV[2], ARGV[3] now, if the client has a clock of its own; else it is the server's
--
-- Numbers come, are stored and returned as doubles, packed: that is the fastest.

local call, fmod = redis.call, math.fmod
local PATIENCE = 86400000 -- ms that keys live longer if it is not the server's clock that says when they are whole

local function unpacked(text)
  local numbers = {struct.unpack('<' .. string.rep('d', #text / 8), text)}
  numbers[#numbers] = nil -- where it stopped reading
  return numbers
end

local function packed(numbers)
  return struct.pack('<' .. string.rep('d', #numbers), unpack(numbers))
end

local arg, now_s, now_n = unpacked(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if not now_s then
  local time = call('TIME') -- seconds, microseconds
  now_s, now_n = tonumber(time[1]), time[2] * 1000
end
local reply = struct.pack('<dd', now_s, now_n)
local spend, cost = arg[1] == 1, arg[2]

-- The time a number of nanoseconds after another, or before it.
local function plus(ns, s, n)
  n = n + ns
  local rest = fmod(n, 1e9)
  if rest < 0 then
    rest = rest + 1e9
  end
  return s + (n - rest) / 1e9, rest
end

-- Nanoseconds until a time that is not before now.
local function wait(s, n)
  return (s - now_s) * 1e9 + n - now_n
end

-- Whether a time is later than another.
local function later(s, n, than_s, than_n)
  return s > than_s or s == than_s and n > than_n
end

-- Nanoseconds since the last whole multiple of a period. An even number of seconds is exact in nanoseconds too.
local function elapsed(period)
  local odd = now_s % 2
  local rest = fmod(fmod((now_s - odd) * 1e9, period) + odd * 1e9 + now_n, period)
  return rest < 0 and rest + period or rest
end

-- For how long to keep a state that is whole again in `ns` nanoseconds, in milliseconds.
local function lifetime(ns)
  return math.ceil(ns / 1e6) + 1 + (ARGV[2] and PATIENCE or 0)
end

-- For the kinds whose state is a few numbers: they are read, and later stored.
local function load()
  local text = call('GET', KEYS[1])
  if not text then
    return {}
  end
  reply = reply .. text
  return unpacked(text)
end

local function store(state, ns)
  call('SET', KEYS[1], packed(state), 'PX', lifetime(ns))
end
