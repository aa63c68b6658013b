-- Limits on a server: how the scripts of all kinds of rules begin. Those of a kind are appended to this one.
--
-- A script reads the state of one key, decides, stores the state if the call is allowed, and returns now and what
-- the state was before: the client tells the rest from these by the same integer arithmetic as everywhere. It must
-- decide exactly as pure/limit/strategies.py does, which is the specification.
--
-- Lua's numbers are doubles, exact for integers below 2^53. So a time is a pair, seconds and nanoseconds in
-- [0, 1e9), and a duration, of 100 days at most, is in nanoseconds. fmod is exact; so are sums that stay below 2^53.
--
-- KEYS[1] the key (of the log: one for each rule)
-- ARGV[1] numbers: the cost of the call, then those of the rules; empty if the state is all that is wanted
-- ARGV[2], ARGV[3] now, if the client has a clock of its own; else it is the server's
--
-- Numbers come, are stored and returned as doubles, packed. A call costs about as much as what it does in Lua: so
-- there are no tables and hardly a function.

local call, fmod, pack, parse = redis.call, math.fmod, struct.pack, struct.unpack
local key, rules, now_s, now_n = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local spare = 2 -- ms that a key lives longer than its state matters
if now_s then
  now_s, now_n = tonumber(now_s), tonumber(now_n)
  spare = 86400000 -- it is not the server's clock that says when that is
else
  local time = call('TIME') -- seconds, microseconds
  now_s, now_n = tonumber(time[1]), time[2] * 1000
end
local reply = pack('<dd', now_s, now_n)
