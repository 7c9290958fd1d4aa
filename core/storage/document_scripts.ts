/**
 * The Lua of the Redis document store.
 *
 * A document is a hash that Redis expires by itself: `e` envelope, `v` version, `i` index, `c` created, `u` updated,
 * `x` expires, `s` sequence number. Each collection has two sorted sets beside its documents:
 * - the list, ordered as text: `a\0<seq>\0<id>` for each document and `i<index>\0<seq>\0<id>` for each indexed one;
 * - the expiries, ordered by time: `<seq>\0<id>\0<index>`. Scripts clear what is due from both, a few at a time.
 *
 * @module
 */
import type { RedisScript } from "./redis.ts";

/** Milliseconds that a collection's sets outlive its last document. */
const MARGIN_MS = 60_000;

const COMMON = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function int(n) return string.format('%.0f', n) end
local function sweep(list, expiries, most)
  local due = redis.call('ZRANGEBYSCORE', expiries, '-inf', int(now), 'LIMIT', 0, most)
  for _, member in ipairs(due) do
    local first = string.find(member, '\\0', 1, true)
    local second = string.find(member, '\\0', first + 1, true)
    local place = string.sub(member, 1, second - 1)
    local index = string.sub(member, second + 1)
    redis.call('ZREM', list, 'a\\0' .. place)
    if index ~= '' then redis.call('ZREM', list, 'i' .. index .. '\\0' .. place) end
    redis.call('ZREM', expiries, member)
  end
  return #due
end
`;

/**
 * KEYS: document, list, expiries, write. ARGV: id, envelope, ifVersion or '', index ('k' keep, 'n' none, 's'..value),
 * expiry ('k', 'n' or a time to live), milliseconds to remember the write.
 * Gives `0`, or `1\0version\0created\0updated\0expires\0index`.
 */
export const putScript: RedisScript = {
  name: "document_put",
  lua: `${COMMON}
sweep(KEYS[2], KEYS[3], 20)
local known = redis.call('GET', KEYS[4])
if known then return known end
local function answer(text)
  redis.call('SET', KEYS[4], text, 'PX', ARGV[6])
  return text
end
local old = redis.call('HMGET', KEYS[1], 'v', 'i', 'c', 'u', 'x', 's')
local version = old[1] or '0'
if ARGV[3] ~= '' and ARGV[3] ~= version then return answer('0') end
version = int(version + 1)
local index = old[2] or ''
if ARGV[4] ~= 'k' then index = string.sub(ARGV[4], 2) end
local created = old[3] or int(now)
local updated = int(math.max(now, tonumber(old[4] or '0')))
local expires = old[5] or ''
if ARGV[5] == 'n' then expires = ''
elseif ARGV[5] ~= 'k' then expires = int(now + ARGV[5]) end
local seq = old[6]
if not seq then
  local last = redis.call('ZREVRANGEBYLEX', KEYS[2], '(a\\1', '[a\\0', 'LIMIT', 0, 1)[1]
  local next = time[1] * 1000000 + time[2]
  if last then next = math.max(next, string.sub(last, 3, 18) + 1) end
  seq = string.format('%016.0f', next)
end
local place = seq .. '\\0' .. ARGV[1]
local kept = redis.call('PTTL', KEYS[2])
if old[1] then
  if old[5] ~= '' then redis.call('ZREM', KEYS[3], place .. '\\0' .. old[2]) end
  if old[2] ~= '' and old[2] ~= index then
    redis.call('ZREM', KEYS[2], 'i' .. old[2] .. '\\0' .. place)
  end
end
redis.call('HSET', KEYS[1], 'e', ARGV[2], 'v', version, 'i', index, 'c', created,
  'u', updated, 'x', expires, 's', seq)
redis.call('ZADD', KEYS[2], 0, 'a\\0' .. place)
if index ~= '' then redis.call('ZADD', KEYS[2], 0, 'i' .. index .. '\\0' .. place) end
if expires == '' then
  redis.call('PERSIST', KEYS[1])
  redis.call('PERSIST', KEYS[2])
  redis.call('PERSIST', KEYS[3])
else
  redis.call('ZADD', KEYS[3], expires, place .. '\\0' .. index)
  redis.call('PEXPIREAT', KEYS[1], expires)
  if kept ~= -1 then
    local until_ = math.max(expires + ${MARGIN_MS}, now + kept)
    redis.call('PEXPIREAT', KEYS[2], int(until_))
    redis.call('PEXPIREAT', KEYS[3], int(until_))
  end
end
return answer(table.concat({'1', version, created, updated, expires, index}, '\\0'))`,
};

/** KEYS as for put. ARGV: id, ifVersion or '', milliseconds to remember the write. Gives `0` or `1`. */
export const deleteScript: RedisScript = {
  name: "document_delete",
  lua: `${COMMON}
sweep(KEYS[2], KEYS[3], 20)
local known = redis.call('GET', KEYS[4])
if known then return known end
local result = '0'
local old = redis.call('HMGET', KEYS[1], 'v', 'i', 's')
if old[1] and (ARGV[2] == '' or ARGV[2] == old[1]) then
  local place = old[3] .. '\\0' .. ARGV[1]
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], 'a\\0' .. place)
  if old[2] ~= '' then redis.call('ZREM', KEYS[2], 'i' .. old[2] .. '\\0' .. place) end
  redis.call('ZREM', KEYS[3], place .. '\\0' .. old[2])
  result = '1'
end
redis.call('SET', KEYS[4], result, 'PX', ARGV[3])
return result`,
};

/** KEYS: list, expiries. ARGV: 'newest' or 'oldest', lower bound, upper bound, limit. Gives members of the list. */
export const listScript: RedisScript = {
  name: "document_list",
  lua: `${COMMON}
sweep(KEYS[1], KEYS[2], 200)
if ARGV[1] == 'newest' then
  return redis.call('ZREVRANGEBYLEX', KEYS[1], ARGV[3], ARGV[2], 'LIMIT', 0, ARGV[4])
end
return redis.call('ZRANGEBYLEX', KEYS[1], ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])`,
};

/** KEYS: list, expiries. ARGV: lower bound, upper bound. Gives {how many, whether more is due to be cleared}. */
export const countScript: RedisScript = {
  name: "document_count",
  lua: `${COMMON}
local due = sweep(KEYS[1], KEYS[2], 1000)
return {redis.call('ZLEXCOUNT', KEYS[1], ARGV[1], ARGV[2]), due == 1000 and 1 or 0}`,
};
