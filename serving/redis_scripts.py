"""Steps of the live state in Redis that must be one: Lua, which the server runs alone.

All keys begin with `KEYS[1]`. A person's things are hashes, `kind:user`. What has an age is also in
a sorted set of its own, whose members are `user field`; a pseudonym has no space. Times in
microseconds fit a double, but only as strings do they keep all their digits in Lua.

| key | what |
|---|---|
| `live:U`, `told:U` | events of a user by id: those that count as history, and the others |
| `known`, `live_times` | ids of all events; their times |
| `said:U`, `link:U`, `linked:P` | what was said; whom an id is; ids of a person |
| `unread:U`, `spaces`, `waiting:S` | texts that wait; their spaces; since when, by space |
| `written:U`, `written_times` | vectors of what was written |
| `shown:U`, `shown_times` | `times last` by video |
| `hourly:U`, `hourly_times` | counts by `hour video` |
| `exposed:H`, `exposed_times` | counts of everybody by video, a hash per hour |
| `page:R` | videos of an answer of `/recommend` and of the pages before it, for a while |
| `availability`, `first_slates` | what operators said of videos; when each was first shown |
| `outbox`, `queue`, `seq`, `batch` | sealed rows; their order; last number; the claimed batch |
"""

from typing import Final

RECORD: Final = """
local p, now, room = KEYS[1], ARGV[1], tonumber(ARGV[2])
local new, left_out = 0, 0
for i = 3, #ARGV, 10 do
  local id, user, kind, row, at = ARGV[i], ARGV[i+1], ARGV[i+2], ARGV[i+3], ARGV[i+4]
  local parcel, said, person = ARGV[i+5], ARGV[i+6], ARGV[i+7]
  local space, text = ARGV[i+8], ARGV[i+9]
  if redis.call('SADD', p .. 'known', id) == 1 then
    new = new + 1
    redis.call('HSET', p .. kind .. ':' .. user, id, row)
    redis.call('ZADD', p .. 'live_times', at, user .. ' ' .. id)
    redis.call('ZADD', p .. 'queue', redis.call('INCR', p .. 'seq'), id)
    redis.call('HSET', p .. 'outbox', id, parcel)
    if said ~= '' then redis.call('HSETNX', p .. 'said:' .. user, id, said) end
    if person ~= '' and person ~= user then
      local link = p .. 'link:' .. user
      local before = redis.call('HMGET', link, 'person', 'at')
      if not before[2] or tonumber(at) >= tonumber(before[2]) then
        if before[1] then redis.call('HDEL', p .. 'linked:' .. before[1], user) end
        redis.call('HSET', link, 'person', person, 'at', at)
        redis.call('HSET', p .. 'linked:' .. person, user, at)
      end
    end
    if text ~= '' and room > 0 then
      room = room - 1
      redis.call('HSET', p .. 'unread:' .. user, id, text)
      redis.call('SADD', p .. 'spaces', space)
      redis.call('ZADD', p .. 'waiting:' .. space, now, user .. ' ' .. id)
    elseif text ~= '' then left_out = left_out + 1 end
  end
end
return {new, left_out}
"""

CLAIM: Final = """
local p, upto, count, name = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
local left = redis.call('HGET', p .. 'batch', 'name')
if left then return left end
if redis.call('ZCOUNT', p .. 'queue', '-inf', upto) ~= count then return false end
redis.call('HSET', p .. 'batch', 'name', name, 'upto', upto)
return name
"""

BATCH: Final = """
local p, rows = KEYS[1], {}
if redis.call('HGET', p .. 'batch', 'name') ~= ARGV[1] then return rows end
local upto = redis.call('HGET', p .. 'batch', 'upto')
for _, id in ipairs(redis.call('ZRANGEBYSCORE', p .. 'queue', '-inf', upto)) do
  rows[#rows + 1] = redis.call('HGET', p .. 'outbox', id)
end
return rows
"""

FINISH: Final = """
local p = KEYS[1]
if redis.call('HGET', p .. 'batch', 'name') ~= ARGV[1] then return 0 end
local upto = redis.call('HGET', p .. 'batch', 'upto')
for _, id in ipairs(redis.call('ZRANGEBYSCORE', p .. 'queue', '-inf', upto)) do
  redis.call('HDEL', p .. 'outbox', id)
end
redis.call('ZREMRANGEBYSCORE', p .. 'queue', '-inf', upto)
return redis.call('DEL', p .. 'batch')
"""

REMEMBER_SHOWN: Final = """
local p, within = KEYS[1], tonumber(ARGV[1])
for i = 2, #ARGV, 3 do
  local user, video, at = ARGV[i], ARGV[i+1], ARGV[i+2]
  local key, times, last = p .. 'shown:' .. user, 1, at
  local before = redis.call('HGET', key, video)
  if before then
    local n, t = string.match(before, '^(%d+) (-?%d+)$')
    if tonumber(at) - tonumber(t) <= within then times = tonumber(n) + 1 end
    if tonumber(t) > tonumber(at) then last = t end
  end
  redis.call('HSET', key, video, times .. ' ' .. last)
  redis.call('ZADD', p .. 'shown_times', last, user .. ' ' .. video)
end
"""

KEEP_WRITTEN: Final = """
local p = KEYS[1]
for i = 1, #ARGV, 5 do
  local id, user, space, at, row = ARGV[i], ARGV[i+1], ARGV[i+2], ARGV[i+3], ARGV[i+4]
  if redis.call('HSETNX', p .. 'written:' .. user, id, row) == 1 then
    redis.call('ZADD', p .. 'written_times', at, user .. ' ' .. id)
  end
  redis.call('HDEL', p .. 'unread:' .. user, id)
  redis.call('ZREM', p .. 'waiting:' .. space, user .. ' ' .. id)
end
"""

FORGET_BEFORE: Final = """
local p, at, skip = KEYS[1], ARGV[1], tonumber(ARGV[2])
local old = redis.call('ZRANGEBYSCORE', p .. 'live_times', '-inf', '(' .. at, 'LIMIT', skip, 1000)
local kept = 0
for _, member in ipairs(old) do
  local user, id = string.match(member, '^(%S*) (.*)$')
  if redis.call('HEXISTS', p .. 'outbox', id) == 1 then kept = kept + 1 else
    redis.call('HDEL', p .. 'live:' .. user, id)
    redis.call('HDEL', p .. 'told:' .. user, id)
    redis.call('SREM', p .. 'known', id)
    redis.call('ZREM', p .. 'live_times', member)
  end
end
return {#old, kept}
"""

FORGET_OLD: Final = """
local p, kind, before = KEYS[1], ARGV[1], ARGV[2]
local times = p .. kind .. '_times'
local old = redis.call('ZRANGEBYSCORE', times, '-inf', '(' .. before, 'LIMIT', 0, 1000)
for _, member in ipairs(old) do
  local user, field = string.match(member, '^(%S*) (.*)$')
  redis.call('HDEL', p .. kind .. ':' .. user, field)
  redis.call('ZREM', times, member)
end
return #old
"""

FORGET_USER: Final = """
local p, user = KEYS[1], ARGV[1]
local erased = 0
for _, kind in ipairs({'live', 'told'}) do
  for _, id in ipairs(redis.call('HKEYS', p .. kind .. ':' .. user)) do
    erased = erased + 1
    redis.call('HDEL', p .. 'outbox', id)
    redis.call('ZREM', p .. 'queue', id)
    redis.call('SREM', p .. 'known', id)
    redis.call('ZREM', p .. 'live_times', user .. ' ' .. id)
  end
  redis.call('DEL', p .. kind .. ':' .. user)
end
for _, kind in ipairs({'written', 'shown', 'hourly'}) do
  for _, field in ipairs(redis.call('HKEYS', p .. kind .. ':' .. user)) do
    redis.call('ZREM', p .. kind .. '_times', user .. ' ' .. field)
  end
  redis.call('DEL', p .. kind .. ':' .. user)
end
for _, id in ipairs(redis.call('HKEYS', p .. 'unread:' .. user)) do
  for _, space in ipairs(redis.call('SMEMBERS', p .. 'spaces')) do
    redis.call('ZREM', p .. 'waiting:' .. space, user .. ' ' .. id)
  end
end
local person = redis.call('HGET', p .. 'link:' .. user, 'person')
if person then redis.call('HDEL', p .. 'linked:' .. person, user) end
for _, other in ipairs(redis.call('HKEYS', p .. 'linked:' .. user)) do
  redis.call('DEL', p .. 'link:' .. other)
end
for _, kind in ipairs({'unread', 'said', 'link', 'linked'}) do
  redis.call('DEL', p .. kind .. ':' .. user)
end
return erased
"""
