-- The kinds whose state is a few numbers under one key: how their scripts go on after common.lua.

local state = call('GET', key)
if state then
  reply = reply .. state
end
if rules == '' then
  return reply
end
