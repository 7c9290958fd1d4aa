/** The Lua of what ends a lease, and of usage without one (see `redis_common.ts`). @module */
import type { RedisScript } from "@synth/core/storage";
import { REMEMBERED_PREFIXES } from "./ledger.ts";
import { COMMON } from "./redis_common.ts";

/** The journal: a body for each event, ordered by time, bounded by age and number. */
const JOURNAL = `
-- KEYS 5 to 8: events, bodies, and with a session its hash and its events.
local function write_event(member, at, expired, amounts, overrun, who, detail, journal_ms, journal_max)
  local lines = {int(at), expired}
  for _, text in ipairs(texts(amounts)) do table.insert(lines, text) end
  for _, text in ipairs(texts(overrun)) do table.insert(lines, text) end
  table.insert(lines, who)
  table.insert(lines, detail)
  redis.call('HSET', KEYS[6], member, table.concat(lines, '\\n'))
  redis.call('ZADD', KEYS[5], int(at), member)
  local old = int(at - journal_ms)
  local gone = redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', old, 'LIMIT', 0, 8)
  local beyond = redis.call('ZCARD', KEYS[5]) - #gone - journal_max
  if beyond > 0 then
    for _, one in ipairs(redis.call('ZRANGE', KEYS[5], #gone, #gone + math.min(beyond, 8) - 1)) do
      table.insert(gone, one)
    end
  end
  if #gone > 0 then
    redis.call('ZREM', KEYS[5], unpack(gone))
    redis.call('HDEL', KEYS[6], unpack(gone))
  end
  if KEYS[8] then
    redis.call('ZADD', KEYS[8], int(at), member)
    redis.call('ZREMRANGEBYSCORE', KEYS[8], '-inf', old)
    redis.call('ZREMRANGEBYRANK', KEYS[8], 0, -journal_max - 1)
    redis.call('PEXPIRE', KEYS[8], int(journal_ms))
  end
  return redis.call('HGET', KEYS[6], member)
end

local function remove_event(member)
  redis.call('HDEL', KEYS[6], member)
  redis.call('ZREM', KEYS[5], member)
  if KEYS[8] then redis.call('ZREM', KEYS[8], member) end
end

local function scopes_of_keys()
  local scopes = {}
  if KEYS[7] then
    local hash = load(KEYS[7])
    if hash then table.insert(scopes, scope_of('session', KEYS[7], hash)) end
  end
  table.insert(scopes, scope_of('key', KEYS[4], load(KEYS[4]) or {}))
  table.insert(scopes, scope_of('org', KEYS[3], load(KEYS[3]) or {}))
  return scopes
end
`;

/** KEYS: lease, leases, org, key, events, bodies, and with a session its hash and its events. ARGV: what to do with the lease. */
export const finishScript: RedisScript = {
  name: "ledger_finish",
  lua: `${COMMON}${JOURNAL}
local verb, lease_id, sid, kid = arg(), arg(), arg(), arg()
local lease_ms, expired_ms, journal_ms, journal_max = num(), num(), num(), num()
local member = (sid == '' and '-' or sid) .. ' ' .. lease_id
local place = lease_id .. ' ' .. (sid == '' and '-' or sid) .. ' ' .. kid
local known = load(KEYS[1])
if known and (known.sid ~= sid or known.kid ~= kid) then return {'mismatch'} end
local lease = known or {st = 'unknown', sid = sid, kid = kid, who = ''}
-- What is kept of a lease goes before its line in the journal.
local past = nil
if not known and verb ~= 'expire' then
  local body = redis.call('HGET', KEYS[6], member)
  if body then
    past = {}
    for line in string.gmatch(body, '([^\\n]*)\\n') do table.insert(past, line) end
    lease.who = past[11]
    if cjson.decode(lease.who).keyId ~= kid then return {'mismatch'} end
    for i, metric in ipairs(METRICS) do lease[metric] = past[2 + i] end
  end
end
local held = {}
for _, metric in ipairs(METRICS) do held[metric] = tonumber(lease[metric] or '0') end

local function listed(scope, index) return index <= tonumber(lease[scope.kind] or '0') end

-- What was held pays, the rest is overrun. Limits that came later take it as they can.
local function close(scopes, actual)
  for _, scope in ipairs(scopes) do
    advance(scope, actual)
    for index, limit in ipairs(scope.limits) do
      local amount, mine = actual[limit.metric], held[limit.metric]
      if listed(scope, index) then
        hold(limit, -mine)
        local charged = math.min(amount, mine)
        book(limit, charged, amount - charged, scope.now)
      else
        book_loosely(limit, amount)
      end
    end
  end
end

-- Replaces what expiry charged by what was used.
local function correct(scopes, actual)
  local more = {}
  for _, metric in ipairs(METRICS) do more[metric] = actual[metric] - held[metric] end
  for _, scope in ipairs(scopes) do
    local at = tonumber(lease['t:' .. scope.kind] or int(scope.now))
    local seen = tonumber(lease['x:' .. scope.kind] or '0')
    advance(scope, more)
    for index, limit in ipairs(scope.limits) do
      local n = more[limit.metric]
      if listed(scope, index) then
        if n > 0 then book(limit, 0, n, scope.now) else book(limit, n, 0, at) end
      elseif n > 0 then
        book_loosely(limit, n)
      elseif limit.width == 0 or index <= seen then
        take_back_loosely(limit, -n, at)
      end
    end
  end
end

-- The same long after: windows have moved on, and what they counted too much stays.
local function correct_loosely(scopes, actual)
  local more = {}
  for _, metric in ipairs(METRICS) do more[metric] = actual[metric] - held[metric] end
  for _, scope in ipairs(scopes) do
    advance(scope, more)
    for _, limit in ipairs(scope.limits) do
      local n = more[limit.metric]
      if n > 0 then
        book_loosely(limit, n)
      elseif limit.width == 0 then
        take_back_loosely(limit, -n, scope.now)
      end
    end
  end
end

local function done(state, more)
  local fields = more or {}
  fields.st, fields.sid, fields.kid = state, sid, kid
  local flat = {}
  for field, value in pairs(fields) do
    table.insert(flat, field)
    table.insert(flat, value)
  end
  redis.call('HSET', KEYS[1], unpack(flat))
  redis.call('PEXPIRE', KEYS[1], int(state == 'expired' and expired_ms or lease_ms))
  redis.call('ZREM', KEYS[2], place)
end

local NOTHING = {tokens = 0, cost = 0, gpu_time = 0, api_calls = 0}

if verb == 'release' then
  if past then return {'settled'} end
  if lease.st == 'settled' or lease.st == 'released' then return {lease.st} end
  if lease.st ~= 'unknown' then
    local scopes = scopes_of_keys()
    if lease.st == 'open' then
      for _, scope in ipairs(scopes) do
        advance(scope)
        for index, limit in ipairs(scope.limits) do
          if listed(scope, index) then hold(limit, -held[limit.metric]) end
        end
      end
    else
      correct(scopes, NOTHING)
      remove_event(member)
    end
  end
  done('released')
  return {'released'}
end

if verb == 'expire' then
  if lease.st ~= 'open' then
    redis.call('ZREM', KEYS[2], place)
    return {lease.st}
  end
  if tonumber(lease.x) > raw then return {'open'} end
  local scopes = scopes_of_keys()
  close(scopes, held)
  local marks = {}
  for _, scope in ipairs(scopes) do
    marks['t:' .. scope.kind] = int(scope.now)
    marks['x:' .. scope.kind] = int(#scope.limits)
  end
  done('expired', marks)
  write_event(member, raw, '1', held, NOTHING, lease.who, '', journal_ms, journal_max)
  return {'expired'}
end

local scopes = scopes_of_keys()
local function settled(already, late, actual, overrun)
  return {'settled', already, late, actual, overrun, describe_all(scopes)}
end
if lease.st == 'settled' then
  local actual, overrun = {}, {}
  for i, metric in ipairs(METRICS) do
    actual[i], overrun[i] = lease['a:' .. metric], lease['o:' .. metric]
  end
  return settled('1', '', actual, overrun)
end
if past and past[2] ~= '1' then
  local actual, overrun = {}, {}
  for i = 1, 4 do actual[i], overrun[i] = past[2 + i], past[6 + i] end
  return settled('1', '', actual, overrun)
end
local kind = arg()
local actual = amounts_arg()
if kind == 'held' then actual = held end
local detail = arg()
if arg() == '1' and lease.st == 'unknown' and not past then return {'unknown'} end
local granted = held
if lease.st == 'open' then
  close(scopes, actual)
elseif lease.st == 'expired' then
  correct(scopes, actual)
elseif past then
  correct_loosely(scopes, actual)
else
  charge_loosely(scopes, actual)
  granted = NOTHING
end
local overrun, fields = {}, {}
for _, metric in ipairs(METRICS) do
  overrun[metric] = math.max(0, actual[metric] - granted[metric])
  fields['a:' .. metric], fields['o:' .. metric] = int(actual[metric]), int(overrun[metric])
end
done('settled', fields)

local count = num()
if count > 0 and scopes[1].kind == 'session' then
  local memory, places = {}, {}
  for hash, tokens in string.gmatch(scopes[1].hash.mem or '', '(%S+) (%S+)') do
    table.insert(memory, {hash = hash, tokens = tokens})
    places[hash] = memory[#memory]
  end
  for _ = 1, count do
    local hash, tokens = arg(), arg()
    if places[hash] then
      places[hash].tokens = tokens
    else
      table.insert(memory, {hash = hash, tokens = tokens})
      places[hash] = memory[#memory]
    end
  end
  while #memory > ${REMEMBERED_PREFIXES} do table.remove(memory, 1) end
  local parts = {}
  for _, one in ipairs(memory) do
    table.insert(parts, one.hash)
    table.insert(parts, one.tokens)
  end
  redis.call('HSET', scopes[1].key, 'mem', table.concat(parts, ' '))
end
write_event(member, raw, '', actual, overrun, lease.who, detail, journal_ms, journal_max)
return settled('', lease.st == 'open' and '' or '1', texts(actual), texts(overrun))
`,
};

/** KEYS: unused, unused, org, key, events, bodies, session, its events. */
export const recordScript: RedisScript = {
  name: "ledger_record",
  lua: `${COMMON}${JOURNAL}
local member, who, detail = arg(), arg(), arg()
local journal_ms, journal_max, most = num(), num(), num()
local there = redis.call('HGET', KEYS[6], member)
if there then return {'there', there} end
local scopes = scopes_of_keys()
if scopes[1].kind ~= 'session' then return {'unknown'} end
local amounts = amounts_arg()
for _, scope in ipairs(scopes) do
  for _, metric in ipairs(METRICS) do
    if tonumber(scope.hash['u:' .. metric] or '0') + amounts[metric] > most then return {'too_large'} end
  end
end
charge_loosely(scopes, amounts)
local none = {tokens = 0, cost = 0, gpu_time = 0, api_calls = 0}
return {'made', write_event(member, raw, '', amounts, none, who, detail, journal_ms, journal_max)}
`,
};

/** KEYS: leases. ARGV: how many. Gives those that are due. */
export const dueScript: RedisScript = {
  name: "ledger_due",
  lua: `${COMMON}
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', int(raw), 'LIMIT', 0, num())
`,
};
