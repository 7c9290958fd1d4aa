/** The Lua of sessions, scopes and limits (see `redis_common.ts`). @module */
import type { RedisScript } from "@synth/core/storage";
import { REMEMBERED_OPERATIONS } from "./ledger.ts";
import { COMMON, SESSION } from "./redis_common.ts";

/** KEYS: session, index, and to make it active: pointer, the session it may point at. */
export const openScript: RedisScript = {
  name: "ledger_open",
  lua: `${COMMON}${SESSION}
local retention, hint = num(), arg()
local draft, id = session_arg(KEYS[1])
local there = load(KEYS[1])
if there then return {'there', view(scope_of('session', KEYS[1], there))} end
local ended = ''
if KEYS[3] then
  local before = redis.call('GET', KEYS[3])
  if before then
    if before ~= hint then return {'move', before} end
    local hash = KEYS[4] and load(KEYS[4])
    if hash then
      local scope = scope_of('session', KEYS[4], hash)
      if not over(scope) then
        ended = before
        redis.call('HSET', scope.key, 'ended', int(scope.now), 'act', '')
        redis.call('PEXPIRE', scope.key, int(retention))
      end
    end
  end
end
create(draft, id, KEYS[2], retention, KEYS[3])
return {'made', view(draft), ended}
`,
};

/** KEYS: session, pointer. */
export const endScript: RedisScript = {
  name: "ledger_end",
  lua: `${COMMON}${SESSION}
local retention, id = num(), arg()
local hash = load(KEYS[1])
if not hash then return {'unknown'} end
local scope = scope_of('session', KEYS[1], hash)
if redis.call('GET', KEYS[2]) == id then redis.call('DEL', KEYS[2]) end
if hash.ended ~= '' then return {'there', view(scope)} end
hash.ended, hash.act = int(scope.now), ''
redis.call('HSET', scope.key, 'ended', hash.ended, 'act', '', 't', hash.ended)
redis.call('PEXPIRE', scope.key, int(retention))
return {'made', view(scope)}
`,
};

/** KEYS: session. */
export const heartbeatScript: RedisScript = {
  name: "ledger_heartbeat",
  lua: `${COMMON}${SESSION}
local retention = num()
local hash = load(KEYS[1])
if not hash then return {'unknown'} end
local scope = scope_of('session', KEYS[1], hash)
if not over(scope) then
  hash.seen = int(scope.now)
  redis.call('HSET', scope.key, 'seen', hash.seen, 't', hash.seen)
  keep(scope, retention)
end
return {'there', view(scope)}
`,
};

/** KEYS: sessions. Gives a view or an empty text for each. */
export const viewScript: RedisScript = {
  name: "ledger_view",
  lua: `${COMMON}${SESSION}
local list = {}
for i, key in ipairs(KEYS) do
  local hash = load(key)
  list[i] = hash and view(scope_of('session', key, hash)) or ''
end
return list
`,
};

/** KEYS: scope. ARGV: kind. */
export const scopeScript: RedisScript = {
  name: "ledger_scope",
  lua: `${COMMON}
local kind = arg()
local hash = load(KEYS[1])
if not hash then return {'unknown'} end
local used = {}
for i, metric in ipairs(METRICS) do used[i] = hash['u:' .. metric] or '0' end
return {'there', used, describe_all({scope_of(kind, KEYS[1], hash)})}
`,
};

/** KEYS: scope. ARGV: kind, the most limits, limit. */
export const addLimitScript: RedisScript = {
  name: "ledger_add_limit",
  lua: `${COMMON}${SESSION}
local kind, most = arg(), num()
local id = ARGV[cursor + 1]
local hash = load(KEYS[1])
if not hash then
  if kind == 'session' then return {'unknown'} end
  hash = {}
end
local scope = scope_of(kind, KEYS[1], hash)
for _, limit in ipairs(scope.limits) do
  if limit.id == id then return {'there', describe(limit)} end
end
if #scope.limits >= most then return {'too_many'} end
local fresh = {lims = hash.lims}
limit_fields(fresh)
advance(scope)
write(scope.key, fresh)
for field, value in pairs(fresh) do hash[field] = value end
local limit = limit_of(scope, id)
local past = hash['u:' .. limit.metric]
if limit.width == 0 and past then
  limit.charged = math.min(limit.value, tonumber(past))
  limit.overrun = tonumber(past) - limit.charged
  redis.call('HSET', scope.key, limit.p .. 'c', int(limit.charged), limit.p .. 'o', past)
  add(limit, 'o', -limit.charged)
end
return {'made', describe(limit)}
`,
};

/** KEYS: scope. ARGV: kind, limit id, amount, the largest limit, operation id. */
export const raiseScript: RedisScript = {
  name: "ledger_raise",
  lua: `${COMMON}
local kind, id, by_text, most, operation = arg(), arg(), arg(), num(), arg()
local by = tonumber(by_text)
-- Behind the id stands what was done; older versions wrote the id alone.
local whole = table.concat({operation, id, by_text}, ':')
local hash = load(KEYS[1])
if not hash or not hash[id .. ':v'] then return {'unknown'} end
local scope = scope_of(kind, KEYS[1], hash)
local limit = nil
for _, one in ipairs(scope.limits) do
  if one.id == id then limit = one end
end
local done = {}
for one in string.gmatch(hash.ops or '', '%S+') do
  if one == operation or one == whole then return {'there', describe(limit)} end
  if string.match(one, '^[^:]+') == operation then return {'conflict'} end
  table.insert(done, one)
end
if limit.value + by > most then return {'too_large'} end
advance(scope)
add(limit, 'v', by)
hash[limit.p .. 'v'] = redis.call('HGET', scope.key, limit.p .. 'v')
table.insert(done, whole)
while #done > ${REMEMBERED_OPERATIONS} do table.remove(done, 1) end
redis.call('HSET', scope.key, 'ops', table.concat(done, ' '))
return {'made', describe(limit)}
`,
};
