/** The Lua of a reserve (see `redis_common.ts`). @module */
import type { RedisScript } from "@synth/core/storage";
import { COMMON, SESSION } from "./redis_common.ts";

/**
 * KEYS: lease, leases, org, key; with a session: pointer, session (to attach to, or to open), index, and the session that the pointer
 * may point at. Gives `granted`, `refused`, or `move` and the session to name among the keys.
 */
export const reserveScript: RedisScript = {
  name: "ledger_reserve",
  lua: `${COMMON}${SESSION}
local mode, lease_id, session_id, key_id, who, hint = arg(), arg(), arg(), arg(), arg(), arg()
local retention = num()

local function granted(lease, scopes)
  return {
    'granted', lease.sid, lease.op, lease.o, lease.i, lease.x,
    {lease.tokens, lease.cost, lease.gpu_time, lease.api_calls}, describe_all(scopes), lease.st
  }
end
local function other(kind, key) return scope_of(kind, key, load(key) or {}) end
local function session_key(id)
  if id == session_id then return KEYS[6] end
  if hint ~= '' and id == hint then return KEYS[8] end
  return nil
end

local lease = load(KEYS[1])
-- Given back, or settled by somebody who found it unknown: it was never granted and never will be.
if lease and (lease.st == 'released' or not lease.x) then return {'refused', 'released', lease.sid} end
if lease then
  local same = lease.kid == key_id and (mode == 'auto' and lease.sid ~= '' or mode ~= 'auto' and lease.sid == session_id)
  if not same then return {'mismatch'} end
  local scopes = {}
  if lease.sid ~= '' then
    local key = session_key(lease.sid)
    if not key then return {'move', lease.sid} end
    local hash = load(key)
    if hash then table.insert(scopes, scope_of('session', key, hash)) end
  end
  table.insert(scopes, other('key', KEYS[4]))
  table.insert(scopes, other('org', KEYS[3]))
  return granted(lease, scopes)
end

local input, memory_wanted = num(), num()
local prefixes = {}
for i = 1, memory_wanted do prefixes[i] = {hash = arg(), rest = num()} end
local wanted, least, times = num(), num(), num()
local rates, count = nil, num()
if count >= 0 then rates = {} end
for i = 1, count do rates[i] = {above = num(), input = num(), output = num()} end
local fees, calls, gpu, unmeterable, ttl = num(), num(), num(), arg() == '1', num()

local session, fresh, sid = nil, false, ''
if mode == 'id' then
  sid = session_id
  local hash = load(KEYS[6])
  if not hash then return {'refused', 'session_unknown', sid} end
  session = scope_of('session', KEYS[6], hash)
elseif mode == 'auto' then
  sid = redis.call('GET', KEYS[5]) or ''
  if sid ~= '' then
    local key = session_key(sid)
    if not key then return {'move', sid} end
    local hash = load(key)
    if not hash then return {'refused', 'session_unknown', sid} end
    session = scope_of('session', key, hash)
    if over(session) then session = nil end
  end
  if not session then
    sid = session_id
    local hash = load(KEYS[6])
    if hash then
      session = scope_of('session', KEYS[6], hash)
    else
      session, fresh = session_arg(KEYS[6]), true
    end
  end
end
if session and not fresh then
  local reason = over(session)
  if reason then return {'refused', reason, sid} end
end

local scopes = {}
if session then table.insert(scopes, session) end
table.insert(scopes, other('key', KEYS[4]))
table.insert(scopes, other('org', KEYS[3]))
local hard, clamped = {}, false
for _, scope in ipairs(scopes) do
  for _, limit in ipairs(scope.limits) do
    if limit.kind == 'hard' and (limit.expires == '' or scope.now < tonumber(limit.expires)) then
      table.insert(hard, limit)
      if limit.metric == 'tokens' or limit.metric == 'cost' then clamped = true end
    end
  end
end

local function refused(reason, limit, asked, frees)
  if session and not fresh and session.hash.idle ~= '' then
    redis.call('HSET', session.key, 'seen', int(session.now), 't', int(session.now))
    session.hash.seen = int(session.now)
    keep(session, retention)
  end
  return {'refused', reason, fresh and '' or sid, describe(limit), int(asked), frees}
end
-- However much of nothing it is, it costs nothing.
local free = rates and fees == 0
for _, one in ipairs(rates or {}) do free = free and one.input == 0 and one.output == 0 end
for _, limit in ipairs(hard) do
  if not rates and limit.metric == 'cost' then return refused('price_unknown', limit, 0, '') end
  if unmeterable and (limit.metric == 'tokens' or limit.metric == 'cost' and not free) then
    return refused('unmeterable', limit, 0, '')
  end
end

if session and #prefixes > 0 and session.hash.mem then
  local memory = {}
  for hash, tokens in string.gmatch(session.hash.mem, '(%S+) (%S+)') do memory[hash] = tokens end
  for _, prefix in ipairs(prefixes) do
    if memory[prefix.hash] then
      input = math.min(input, tonumber(memory[prefix.hash]) + prefix.rest)
      break
    end
  end
end

local rate = {input = 0, output = 0}
if rates then
  rate = rates[1]
  for _, one in ipairs(rates) do
    if input > one.above then rate = one end
  end
end
-- tokens * price / 10^6 without leaving 2^53: the price is cut at its millions, the rest is carried as millionths.
local function product(tokens, price)
  local low = math.fmod(price, 1000000)
  local part = tokens * low
  local rest = math.fmod(part, 1000000)
  return tokens * ((price - low) / 1000000) + (part - rest) / 1000000, rest
end
local function asks(output)
  local a, a_rest = product(input, rate.input)
  local b, b_rest = product(output * times, rate.output)
  local cost, rest = a + b + fees, a_rest + b_rest
  if rest > 0 then cost = cost + 1 end
  if rest > 1000000 then cost = cost + 1 end
  return {tokens = input + output * times, cost = cost, gpu_time = gpu, api_calls = calls}
end
local function fits(limit, ask, held)
  local used = limit.charged + limit.overrun
  if limit.metric == 'gpu_time' and used >= limit.value then return false end
  local asked = ask[limit.metric]
  return asked == 0 or used + held + asked <= limit.value
end
local function all_fit(output)
  local ask = asks(output)
  for _, limit in ipairs(hard) do
    if not fits(limit, ask, limit.held) then return false end
  end
  return true
end
local function frees_at(limit, asked)
  if limit.width == 0 then return '' end
  local used = limit.charged + limit.overrun
  local missing = asked == 0 and 0 or used + limit.held + asked - limit.value
  if limit.metric == 'gpu_time' then missing = math.max(missing, used - limit.value + 1) end
  for _, bucket in ipairs(limit.buckets) do
    missing = missing - bucket.charged - bucket.overrun
    if missing <= 0 then return int((bucket.n + LIVE) * limit.width) end
  end
  return ''
end

local minimum = asks(least)
local reserved = nil
for _, limit in ipairs(hard) do
  if not fits(limit, minimum, 0) then
    local asked = minimum[limit.metric]
    return refused('exceeded', limit, asked, frees_at(limit, asked))
  end
  if not reserved and not fits(limit, minimum, limit.held) then reserved = limit end
end
if reserved then
  local asked = minimum[reserved.metric]
  return refused('reserved', reserved, asked, frees_at(reserved, asked))
end

local output = wanted
if not all_fit(wanted) then
  local above = wanted
  output = least
  while above - output > 1 do
    local middle = math.floor((output + above) / 2)
    if all_fit(middle) then output = middle else above = middle end
  end
end

if fresh then create(session, sid, KEYS[7], retention, KEYS[5]) end
local held = asks(output)
lease = {
  st = 'open', sid = sid, kid = key_id, who = who, op = fresh and '1' or '', i = int(input),
  o = clamped and int(output) or '', x = int(raw + ttl), session = '0'
}
for _, metric in ipairs(METRICS) do lease[metric] = int(held[metric]) end
for _, scope in ipairs(scopes) do
  advance(scope)
  lease[scope.kind] = int(#scope.limits)
  for _, limit in ipairs(scope.limits) do hold(limit, held[limit.metric]) end
end
if session then
  session.hash.seen = int(session.now)
  redis.call('HSET', session.key, 'seen', session.hash.seen)
  keep(session, retention, mode == 'auto' and redis.call('GET', KEYS[5]) == sid and KEYS[5] or nil)
end
write(KEYS[1], lease)
redis.call('ZADD', KEYS[2], lease.x, lease_id .. ' ' .. (sid == '' and '-' or sid) .. ' ' .. key_id)
return granted(lease, scopes)
`,
};
