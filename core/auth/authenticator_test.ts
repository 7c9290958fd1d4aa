import {
  assert,
  assertEquals,
  assertFalse,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { FakeClock } from "../clock.ts";
import { SynthError } from "../errors.ts";
import { Authenticator, type AuthenticatorOptions } from "./authenticator.ts";
import { hashKey, newKey } from "./key.ts";
import type { KeyRecord } from "./key_record.ts";
import { KeyStore } from "./key_store.ts";
import { type Principal, requireScope } from "./principal.ts";
import { withStore } from "./testing/store.ts";

const OPTIONS = { org: "acme", user: "ann", scopes: ["infer"] as const };

function request(headers: Record<string, string>): Request {
  return new Request("http://localhost/", { headers });
}

/** Look-ups that the test answers by hand: for what a real store does only when it is slow or down. */
function manual(clock: FakeClock, options: Partial<AuthenticatorOptions> = {}) {
  const asked: { hash: string; answer: PromiseWithResolvers<KeyRecord | null> }[] = [];
  const listeners: ((hash: string) => void)[] = [];
  const door = new Authenticator({
    clock,
    keys: {
      lookup(hash) {
        const answer = Promise.withResolvers<KeyRecord | null>();
        asked.push({ hash, answer });
        return answer.promise;
      },
      onChange(fn) {
        listeners.push(fn);
        return () => void listeners.splice(0);
      },
    },
    ...options,
  });
  return { door, asked, listeners };
}

function recordOf(key: string, more: Partial<KeyRecord> = {}): KeyRecord {
  return {
    hash: hashKey(key),
    keyId: "key_1",
    org: "acme",
    user: "ann",
    name: "",
    hint: key.slice(-4),
    scopes: ["infer"],
    limits: [],
    requestsPerMinute: null,
    maxStreams: null,
    createdAt: 0,
    expiresAt: null,
    revokedAt: null,
    replacedAt: null,
    ...more,
  };
}

async function refusal(promise: Promise<unknown>, code: string, status = 401): Promise<SynthError> {
  const error = await assertRejects(() => promise, SynthError);
  assertEquals([error.code, error.status], [code, status]);
  if (status === 401) assertMatch(error.headers["www-authenticate"] ?? "", /^Bearer realm="synth"/);
  return error;
}

Deno.test("Authenticator knows a key in either header", async () => {
  await withStore(async ({ clock, documents }) => {
    const keys = new KeyStore(documents, { clock });
    const door = new Authenticator({ keys, clock });
    const { key, record } = await keys.create(OPTIONS);
    const expected: Principal = {
      org: "acme",
      user: "ann",
      keyId: record.keyId,
      scopes: new Set(["infer"]),
      expiresAt: null,
      limits: [],
      requestsPerMinute: null,
      maxStreams: null,
    };
    for (
      const headers of [
        { authorization: `Bearer ${key}` },
        { authorization: `bearer   ${key}` },
        { "x-api-key": key },
        { authorization: `Bearer ${key}`, "x-api-key": key },
        { authorization: "Basic dTpw", "x-api-key": key },
      ]
    ) {
      assertEquals(await door.authenticate(request(headers)), expected);
    }
    door.close();
  });
});

Deno.test("Authenticator refuses with the right code and without the key", async () => {
  await withStore(async ({ clock, documents }) => {
    const keys = new KeyStore(documents, { clock });
    const door = new Authenticator({ keys, clock });
    const { key } = await keys.create(OPTIONS);
    const wrong = newKey();
    const cases: [Record<string, string>, string][] = [
      [{}, "missing_api_key"],
      [{ authorization: "" }, "missing_api_key"],
      [{ authorization: "Bearer" }, "missing_api_key"],
      [{ authorization: "Bearer " }, "missing_api_key"],
      [{ authorization: "Basic dTpw" }, "missing_api_key"],
      [{ authorization: key }, "missing_api_key"],
      [{ "x-api-key": "" }, "missing_api_key"],
      [{ authorization: `Bearer ${wrong}` }, "invalid_api_key"],
      [{ "x-api-key": wrong }, "invalid_api_key"],
      [{ "x-api-key": "nonsense" }, "invalid_api_key"],
      [{ "x-api-key": key.slice(0, -1) }, "invalid_api_key"],
      [{ "x-api-key": key + key }, "invalid_api_key"],
      [{ "x-api-key": `${key} ` + key }, "invalid_api_key"],
      [{ authorization: `Bearer ${key}, Bearer ${key}` }, "invalid_api_key"],
      [{ authorization: `Bearer ${key}\tx` }, "invalid_api_key"],
      [{ authorization: `Bearer ${"x".repeat(100_000)}` }, "invalid_api_key"],
      [{ authorization: `Bearer ${key}`, "x-api-key": wrong }, "ambiguous_credentials"],
    ];
    for (const [headers, code] of cases) {
      const error = await refusal(door.authenticate(request(headers)), code);
      const shown = JSON.stringify([
        error.toBody(),
        error.headers,
        error.stack,
        error.toCliMessage(),
      ]);
      for (const text of [key, wrong, hashKey(key)]) assertFalse(shown.includes(text));
    }
    assertEquals(
      (await refusal(door.authenticate(request({})), "missing_api_key")).headers,
      { "www-authenticate": 'Bearer realm="synth"' },
    );
    door.close();
  });
});

Deno.test("Authenticator hashes and looks up nothing that cannot be a key", async () => {
  const { door, asked } = manual(new FakeClock());
  for (const key of ["nonsense", "sk_synth_short", "x".repeat(513), `${newKey()}x`]) {
    await refusal(door.authenticateKey(key), "invalid_api_key");
  }
  for (const key of ["a\nb", "a\0", "é".repeat(10), ""]) {
    await refusal(door.authenticateKey(key), "invalid_api_key");
  }
  assertEquals(asked.length, 0);
});

Deno.test("Authenticator takes an expired key for expired, also when it is cached", async () => {
  await withStore(async ({ clock, documents }) => {
    const keys = new KeyStore(documents, { clock });
    const door = new Authenticator({ keys, clock });
    const { key } = await keys.create({ ...OPTIONS, expiresAt: clock.now() + 5000 });
    assertEquals((await door.authenticateKey(key)).org, "acme");
    await clock.tick(4999);
    assertEquals((await door.authenticateKey(key)).org, "acme");
    await clock.tick(1);
    await refusal(door.authenticateKey(key), "expired_api_key");
    await refusal(new Authenticator({ keys, clock }).authenticateKey(key), "expired_api_key");
    door.close();
  });
});

Deno.test("Authenticator sees a revoke at once here, and after 30 seconds elsewhere", async () => {
  await withStore(async ({ clock, documents }) => {
    const keys = new KeyStore(documents, { clock });
    const here = new Authenticator({ keys, clock });
    const elsewhere = new Authenticator({ keys: new KeyStore(documents, { clock }), clock });
    const { key, record } = await keys.create(OPTIONS);
    await here.authenticateKey(key);
    await elsewhere.authenticateKey(key);
    await clock.tick(1);
    await keys.revoke("acme", record.keyId);
    await refusal(here.authenticateKey(key), "invalid_api_key");
    await clock.tick(29_998);
    assertEquals((await elsewhere.authenticateKey(key)).keyId, record.keyId);
    await clock.tick(1);
    await refusal(elsewhere.authenticateKey(key), "invalid_api_key");
    here.close();
    elsewhere.close();
  });
});

Deno.test("Authenticator follows a rotation", async () => {
  await withStore(async ({ clock, documents }) => {
    const keys = new KeyStore(documents, { clock });
    const door = new Authenticator({ keys, clock });
    const old = await keys.create(OPTIONS);
    await door.authenticateKey(old.key);
    const made = await keys.rotate("acme", old.record.keyId, { graceMs: 1000 });
    assertEquals((await door.authenticateKey(made.key)).keyId, old.record.keyId);
    assertEquals((await door.authenticateKey(old.key)).keyId, old.record.keyId);
    await clock.tick(1000);
    await refusal(door.authenticateKey(old.key), "expired_api_key");
    door.close();
  });
});

Deno.test("Authenticator asks once for requests that come together, and then not for 30 seconds", async () => {
  const clock = new FakeClock();
  const { door, asked } = manual(clock);
  const key = newKey();
  const all = Promise.all([1, 2, 3].map(() => door.authenticateKey(key)));
  assertEquals(asked.length, 1);
  asked[0]?.answer.resolve(recordOf(key));
  assertEquals((await all).map((principal) => principal.keyId), ["key_1", "key_1", "key_1"]);
  await clock.tick(29_999);
  await door.authenticateKey(key);
  assertEquals(asked.length, 1);
  await clock.tick(1);
  const again = door.authenticateKey(key);
  assertEquals(asked.length, 2);
  asked[1]?.answer.resolve(recordOf(key));
  await again;
});

Deno.test("Authenticator counts the cache time from when it asked", async () => {
  const clock = new FakeClock();
  const { door, asked } = manual(clock);
  const key = newKey();
  const slow = door.authenticateKey(key);
  await clock.tick(20_000);
  asked[0]?.answer.resolve(recordOf(key));
  await slow;
  await clock.tick(10_000);
  const again = door.authenticateKey(key);
  assertEquals(asked.length, 2);
  asked[1]?.answer.resolve(null);
  await refusal(again, "invalid_api_key");
});

Deno.test("Authenticator remembers a refusal briefly", async () => {
  const clock = new FakeClock();
  const { door, asked } = manual(clock);
  const key = newKey();
  const first = refusal(door.authenticateKey(key), "invalid_api_key");
  asked[0]?.answer.resolve(null);
  await first;
  await clock.tick(1999);
  await refusal(door.authenticateKey(key), "invalid_api_key");
  assertEquals(asked.length, 1);
  await clock.tick(1);
  const again = door.authenticateKey(key);
  asked[1]?.answer.resolve(recordOf(key));
  assertEquals((await again).keyId, "key_1");
});

Deno.test("Authenticator does not remember an answer that a change has overtaken", async () => {
  const clock = new FakeClock();
  const { door, asked, listeners } = manual(clock);
  const key = newKey();
  const early = door.authenticateKey(key);
  for (const listener of listeners) listener(hashKey(key));
  const late = refusal(door.authenticateKey(key), "invalid_api_key");
  assertEquals(asked.length, 2);
  asked[1]?.answer.resolve(recordOf(key, { revokedAt: 1 }));
  await late;
  asked[0]?.answer.resolve(recordOf(key));
  await early;
  await refusal(door.authenticateKey(key), "invalid_api_key");
});

Deno.test("Authenticator answers 503 when the store is down, but still knows cached keys", async () => {
  const clock = new FakeClock();
  const { door, asked } = manual(clock);
  const [known, unknown] = [newKey(), newKey()];
  const first = door.authenticateKey(known);
  asked[0]?.answer.resolve(recordOf(known));
  await first;
  const down = refusal(door.authenticateKey(unknown), "key_store_unavailable", 503);
  asked[1]?.answer.reject(new Error("connection to redis://u:p@h refused"));
  const error = await down;
  assertFalse(JSON.stringify(error.toBody()).includes("redis"));
  assertEquals((await door.authenticateKey(known)).keyId, "key_1");
  // A failure is not remembered.
  const again = door.authenticateKey(unknown);
  assertEquals(asked.length, 3);
  asked[2]?.answer.resolve(recordOf(unknown));
  assertEquals((await again).keyId, "key_1");
});

Deno.test("Authenticator keeps its caches bounded, and strangers cannot push known keys out", async () => {
  const clock = new FakeClock();
  const { door, asked } = manual(clock, { maxCached: 2, negativeCacheMs: 60_000 });
  const answer = async (key: string, record: KeyRecord | null) => {
    const before = asked.length;
    const pending = door.authenticateKey(key).catch(() => null);
    if (asked.length > before) asked.at(-1)?.answer.resolve(record);
    await pending;
    return asked.length > before;
  };
  const [a, b, c] = [newKey(), newKey(), newKey()];
  assert(await answer(a, recordOf(a)));
  for (let i = 0; i < 10; i++) assert(await answer(newKey(), null));
  assertFalse(await answer(a, recordOf(a)));
  assert(await answer(b, recordOf(b)));
  assertFalse(await answer(a, recordOf(a)));
  assert(await answer(c, recordOf(c)));
  // b was used least lately.
  assertFalse(await answer(a, recordOf(a)));
  assert(await answer(b, recordOf(b)));
});

Deno.test("Authenticator takes static keys of any shape, until they expire", async () => {
  const clock = new FakeClock();
  const principal: Principal = {
    org: "home",
    user: "me",
    keyId: "key_static",
    scopes: new Set(["infer", "admin"]),
    expiresAt: clock.now() + 1000,
  };
  const other: Principal = { ...principal, keyId: "key_other", expiresAt: null };
  const door = new Authenticator({
    clock,
    staticKeys: [{ key: "hush", principal }, { key: "hush2", principal: other }],
  });
  assertEquals(await door.authenticate(request({ "x-api-key": "hush" })), principal);
  assertEquals(await door.authenticate(request({ "x-api-key": "hush2" })), other);
  await refusal(door.authenticateKey("hus"), "invalid_api_key");
  await refusal(door.authenticateKey(newKey()), "invalid_api_key");
  await clock.tick(1000);
  await refusal(door.authenticateKey("hush"), "expired_api_key");
  for (const key of ["", "with space", "x".repeat(513)]) {
    const error = assertThrows(
      () => new Authenticator({ staticKeys: [{ key, principal }] }),
      SynthError,
    );
    assertEquals(error.code, "invalid_static_key");
  }
});

Deno.test("requireScope demands the very scope", () => {
  const principal: Principal = {
    org: "o",
    user: "u",
    keyId: "k",
    scopes: new Set(["queue", "admin"]),
    expiresAt: null,
  };
  requireScope(principal, "queue");
  for (const scope of ["infer", "sessions", "queue:command"] as const) {
    const error = assertThrows(() => requireScope(principal, scope), SynthError);
    assertEquals([error.code, error.status, error.details], [
      "insufficient_scope",
      403,
      { required_scope: scope },
    ]);
  }
});

Deno.test("Authenticator knows the holder of a key by its hash, until the key ends", async () => {
  const clock = new FakeClock();
  const principal: Principal = {
    org: "home",
    user: "me",
    keyId: "key_static",
    scopes: new Set(["sessions"]),
    expiresAt: null,
  };
  const { door, asked } = manual(clock, { staticKeys: [{ key: "hush", principal }] });
  assertEquals(await door.authenticateHash(hashKey("hush")), principal);
  const key = newKey();
  const first = door.authenticateHash(hashKey(key));
  asked[0]?.answer.resolve(recordOf(key));
  assertEquals((await first).keyId, "key_1");
  await clock.tick(30_000);
  const again = refusal(door.authenticateHash(hashKey(key)), "invalid_api_key");
  asked[1]?.answer.resolve(recordOf(key, { revokedAt: 1 }));
  await again;
});
