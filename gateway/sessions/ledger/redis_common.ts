/**
 * The Lua of the Redis ledger: one script a verb, all of a script's keys in KEYS.
 *
 * A scope (session, key or org) is one hash: `t` its clock, `u:<metric>` what was used, `lims` the ids of its limits in order, and for
 * each limit `<id>:` and `m` metric, `k` kind, `v` value, `W` window, `w` width of a bucket (0: none), `n` warning, `x` expiry,
 * `h` held, `c` charged, `o` overrun, `b` the live buckets, `<bucket>c` and `<bucket>o` what each of them counts. A session also has
 * `user`, `key`, `spec`, `at`, `end`, `idle`, `seen`, `ended`, `act` and `mem`, the prefixes that it remembers.
 *
 * Amounts stay exact: a limit is below 2^53, so whatever is compared with one is either exact or too large in any rounding; sums are
 * kept by HINCRBY on 64 bits; numbers become text by `int` alone. Every script may run twice: what it does, it does once for each id.
 *
 * @module
 */
/** Time, arguments, scopes, and the three ways to book. ARGV[1] is the time in a test, else empty. */
export const COMMON: string = `
local cursor = 0
local function arg()
  cursor = cursor + 1
  return ARGV[cursor]
end
local function num() return tonumber(arg()) end
local function int(n) return string.format('%.0f', n) end
local raw
local fixed = arg()
if fixed == '' then
  local time = redis.call('TIME')
  raw = time[1] * 1000 + math.floor(time[2] / 1000)
else
  raw = tonumber(fixed)
end
local METRICS = {'tokens', 'cost', 'gpu_time', 'api_calls'}
local LIVE = 61

local function load(key)
  local flat = redis.call('HGETALL', key)
  if #flat == 0 then return nil end
  local hash = {}
  for i = 1, #flat, 2 do hash[flat[i]] = flat[i + 1] end
  return hash
end

local function limit_of(scope, id)
  local hash, p = scope.hash, id .. ':'
  local limit = {
    id = id, p = p, scope = scope, metric = hash[p .. 'm'], kind = hash[p .. 'k'],
    value = tonumber(hash[p .. 'v']), width = tonumber(hash[p .. 'w']), expires = hash[p .. 'x'],
    held = tonumber(hash[p .. 'h']), charged = tonumber(hash[p .. 'c']), overrun = tonumber(hash[p .. 'o']),
    buckets = {}, dropped = {}
  }
  if limit.width == 0 then return limit end
  limit.bucket = math.floor(scope.now / limit.width)
  for name in string.gmatch(hash[p .. 'b'] or '', '%S+') do
    local bucket = {name = name, n = tonumber(name)}
    bucket.charged = tonumber(hash[p .. name .. 'c'] or '0')
    bucket.overrun = tonumber(hash[p .. name .. 'o'] or '0')
    if bucket.n > limit.bucket - LIVE then
      table.insert(limit.buckets, bucket)
    else
      table.insert(limit.dropped, bucket)
      limit.charged = limit.charged - bucket.charged
      limit.overrun = limit.overrun - bucket.overrun
    end
  end
  return limit
end

local function scope_of(kind, key, hash)
  local scope = {kind = kind, key = key, hash = hash, limits = {}}
  scope.now = math.max(raw, tonumber(hash.t or '0'))
  for id in string.gmatch(hash.lims or '', '%S+') do
    table.insert(scope.limits, limit_of(scope, id))
  end
  return scope
end

local function describe(limit)
  local hash, p = limit.scope.hash, limit.p
  local overrun = int(limit.overrun)
  if limit.width == 0 and limit.overrun >= 9007199254740992 then
    overrun = redis.call('HGET', limit.scope.key, p .. 'o')
  end
  return {
    limit.scope.kind, limit.id, limit.metric, limit.kind, hash[p .. 'v'], hash[p .. 'W'], hash[p .. 'n'],
    limit.expires, int(limit.held), int(limit.charged), overrun
  }
end

local function describe_all(scopes)
  local list = {}
  for _, scope in ipairs(scopes) do
    for _, limit in ipairs(scope.limits) do table.insert(list, describe(limit)) end
  end
  return list
end

local function add(limit, field, n)
  if n ~= 0 then redis.call('HINCRBY', limit.scope.key, limit.p .. field, int(n)) end
end

local function hold(limit, n)
  limit.held = limit.held + n
  add(limit, 'h', n)
end

local function forget(limit)
  for _, bucket in ipairs(limit.dropped) do
    local c, o = limit.p .. bucket.name .. 'c', limit.p .. bucket.name .. 'o'
    for field, sum in pairs({[c] = 'c', [o] = 'o'}) do
      local text = redis.call('HGET', limit.scope.key, field)
      if text and text ~= '0' then
        local minus = string.sub(text, 1, 1) == '-' and string.sub(text, 2) or string.format('-%s', text)
        redis.call('HINCRBY', limit.scope.key, limit.p .. sum, minus)
      end
    end
    redis.call('HDEL', limit.scope.key, c, o)
  end
  limit.dropped = {}
end

local function bucket_at(limit, at)
  local n = math.floor(at / limit.width)
  for _, bucket in ipairs(limit.buckets) do
    if bucket.n == n then return bucket end
  end
  return nil, n
end

local function book(limit, charged, overrun, at)
  if charged == 0 and overrun == 0 then return end
  if limit.width > 0 then
    local bucket, n = bucket_at(limit, at)
    if not bucket then
      if n <= limit.bucket - LIVE then return end
      bucket = {name = int(n), n = n, charged = 0, overrun = 0}
      table.insert(limit.buckets, bucket)
      table.sort(limit.buckets, function(a, b) return a.n < b.n end)
    end
    forget(limit)
    local names = {}
    for _, one in ipairs(limit.buckets) do table.insert(names, one.name) end
    redis.call('HSET', limit.scope.key, limit.p .. 'b', table.concat(names, ' '))
    bucket.charged = bucket.charged + charged
    bucket.overrun = bucket.overrun + overrun
    add(limit, bucket.name .. 'c', charged)
    add(limit, bucket.name .. 'o', overrun)
  end
  limit.charged = limit.charged + charged
  limit.overrun = limit.overrun + overrun
  add(limit, 'c', charged)
  add(limit, 'o', overrun)
end

local function book_loosely(limit, amount)
  local room = limit.value - limit.charged - limit.overrun - limit.held
  local charged = math.max(0, math.min(room, amount))
  book(limit, charged, amount - charged, limit.scope.now)
end

local function take_back_loosely(limit, amount, at)
  local there = limit.overrun
  if limit.width > 0 then
    local bucket = bucket_at(limit, at)
    there = bucket and bucket.overrun or 0
  end
  local first = math.min(there, amount)
  book(limit, first - amount, -first, at)
end

local function advance(scope, amounts)
  redis.call('HSET', scope.key, 't', int(scope.now))
  if not amounts then return end
  for _, metric in ipairs(METRICS) do
    if amounts[metric] ~= 0 then
      redis.call('HINCRBY', scope.key, 'u:' .. metric, int(amounts[metric]))
    end
  end
end

local function charge_loosely(scopes, amounts)
  for _, scope in ipairs(scopes) do
    advance(scope, amounts)
    for _, limit in ipairs(scope.limits) do book_loosely(limit, amounts[limit.metric]) end
  end
end

local function amounts_arg()
  local amounts = {}
  for _, metric in ipairs(METRICS) do amounts[metric] = num() end
  return amounts
end

local function texts(amounts)
  local list = {}
  for i, metric in ipairs(METRICS) do list[i] = int(amounts[metric]) end
  return list
end
`;

/** Sessions: opening them, and whether they are over. */
export const SESSION: string = `
local function expiry(hash)
  local at = nil
  if hash['end'] ~= '' then at = tonumber(hash['end']) end
  if hash.idle ~= '' then
    local idle = tonumber(hash.seen) + tonumber(hash.idle)
    if not at or idle < at then at = idle end
  end
  return at
end

local function over(scope)
  if scope.hash.ended ~= '' then return 'session_ended' end
  local at = expiry(scope.hash)
  if at and scope.now >= at then return 'session_expired' end
  return nil
end

local function keep(scope, retention, pointer)
  local at = expiry(scope.hash)
  if not at then return end
  local left = int(math.max(1000, at - raw + retention))
  redis.call('PEXPIRE', scope.key, left)
  if pointer then redis.call('PEXPIRE', pointer, left) end
end

local function limit_fields(hash)
  local id = arg()
  local p = id .. ':'
  hash[p .. 'm'], hash[p .. 'k'], hash[p .. 'v'] = arg(), arg(), arg()
  hash[p .. 'W'], hash[p .. 'w'], hash[p .. 'n'], hash[p .. 'x'] = arg(), arg(), arg(), arg()
  hash[p .. 'h'], hash[p .. 'c'], hash[p .. 'o'] = '0', '0', '0'
  if hash.lims and hash.lims ~= '' then hash.lims = hash.lims .. ' ' .. id else hash.lims = id end
  return id
end

local function write(key, hash)
  local flat = {}
  for field, value in pairs(hash) do
    table.insert(flat, field)
    table.insert(flat, value)
  end
  redis.call('HSET', key, unpack(flat))
end

-- A session that is not written yet: id, user, key, spec, ttl, idle, limits.
local function session_arg(key)
  local id = arg()
  local hash = {user = arg(), key = arg(), spec = arg(), at = int(raw), seen = int(raw), t = int(raw)}
  local ttl = arg()
  hash['end'] = ttl == '' and '' or int(raw + tonumber(ttl))
  hash.idle, hash.ended, hash.act = arg(), '', ''
  for _ = 1, num() do limit_fields(hash) end
  return scope_of('session', key, hash), id
end

local function create(scope, id, index, retention, pointer)
  if pointer then
    scope.hash.act = '1'
    redis.call('SET', pointer, id)
  end
  write(scope.key, scope.hash)
  redis.call('ZADD', index, scope.hash.at, id)
  redis.call('ZREMRANGEBYRANK', index, 0, -50001)
  keep(scope, retention, pointer)
end

local function view(scope)
  local h = scope.hash
  local used = {}
  for i, metric in ipairs(METRICS) do used[i] = h['u:' .. metric] or '0' end
  local at = expiry(h)
  return {
    h.user, h.key, h.spec, h.at, at and int(at) or '', h.idle, h.seen, h.ended, h.act, over(scope) or '',
    used, describe_all({scope})
  }
end
`;
