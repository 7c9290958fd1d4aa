import { assert, assertEquals, assertFalse, assertNotEquals, assertRejects } from "@std/assert";
import { SynthError } from "../errors.ts";
import { hashKey, newKey } from "./key.ts";
import { KeyStore, type NewKey } from "./key_store.ts";
import type { KeyLimit } from "./principal.ts";
import { withStore } from "./testing/store.ts";

const OPTIONS: NewKey = { org: "acme", user: "ann@example.org", scopes: ["infer", "sessions"] };
const DAY = 24 * 3600 * 1000;

Deno.test("KeyStore create gives the key once and stores its hash alone", async () => {
  await withStore(async ({ clock, documents }) => {
    const keys = new KeyStore(documents, { clock });
    const limits: KeyLimit[] = [
      { id: "month", metric: "cost", kind: "hard", value: "5000000000", windowMs: 30 * DAY },
    ];
    const { key, record } = await keys.create({
      ...OPTIONS,
      name: "laptop",
      limits,
      requestsPerMinute: 60,
    });
    assertEquals(record, {
      hash: hashKey(key),
      keyId: record.keyId,
      org: "acme",
      user: "ann@example.org",
      name: "laptop",
      hint: key.slice(-4),
      scopes: ["infer", "sessions"],
      limits,
      requestsPerMinute: 60,
      maxStreams: null,
      createdAt: clock.now(),
      expiresAt: null,
      revokedAt: null,
      replacedAt: null,
    });
    assertEquals(await keys.lookup(hashKey(key)), record);
    assertEquals(await keys.lookup(hashKey(key + "x")), null);
    const stored = await documents.get("_system", "keys", record.hash);
    assertEquals(stored?.index, "acme");
    assertFalse(JSON.stringify(stored).includes(key.slice(0, -4)));
  });
});

Deno.test("KeyStore create refuses options that cannot be", async () => {
  await withStore(async ({ clock, documents }) => {
    const keys = new KeyStore(documents, { clock });
    const bad: [string, Partial<NewKey>][] = [
      ["org", { org: "" }],
      ["org", { org: "_system" }],
      ["org", { org: "a:b" }],
      ["org", { org: "a".repeat(65) }],
      ["user", { user: "" }],
      ["user", { user: "a b" }],
      ["user", { user: "a\n" }],
      ["name", { name: "n".repeat(101) }],
      ["scopes", { scopes: [] }],
      ["scopes", { scopes: ["root" as "admin"] }],
      ["expiresAt", { expiresAt: clock.now() }],
      ["expiresAt", { expiresAt: NaN }],
      ["requestsPerMinute", { requestsPerMinute: -1 }],
      ["requestsPerMinute", { requestsPerMinute: 1.5 }],
      ["maxStreams", { maxStreams: 100_001 }],
    ];
    for (const [param, options] of bad) {
      const error = await assertRejects(() => keys.create({ ...OPTIONS, ...options }), SynthError);
      assertEquals([error.code, error.param], ["invalid_key_options", param]);
    }
  });
});

Deno.test("KeyStore list gives the keys of one org in pages", async () => {
  await withStore(async ({ clock, documents }) => {
    const keys = new KeyStore(documents, { clock });
    for (let i = 0; i < 5; i++) await keys.create({ ...OPTIONS, name: `${i}` });
    await keys.create({ ...OPTIONS, org: "other" });
    await documents.put("_system", "keys", "broken", { v: 99 }, { index: "acme" });
    const names: string[] = [];
    let cursor: string | null | undefined;
    do {
      const page = await keys.list("acme", { limit: 2, ...(cursor ? { cursor } : {}) });
      names.push(...page.keys.map((key) => key.name));
      cursor = page.cursor;
    } while (cursor !== null);
    assertEquals(names, ["4", "3", "2", "1", "0"]);
    assertEquals((await keys.list("nobody")).keys, []);
  });
});

Deno.test("KeyStore revoke ends a key, once, and only its own org's", async () => {
  await withStore(async ({ clock, documents }) => {
    const keys = new KeyStore(documents, { clock });
    const changed: string[] = [];
    const { record } = await keys.create(OPTIONS);
    keys.onChange((hash) => changed.push(hash));
    assertFalse(await keys.revoke("other", record.keyId));
    assertFalse(await keys.revoke("acme", "key_none"));
    assertEquals(changed, []);
    assert(await keys.revoke("acme", record.keyId));
    assertEquals(changed, [record.hash]);
    assertEquals((await keys.lookup(record.hash))?.revokedAt, clock.now());
    assertFalse(await keys.revoke("acme", record.keyId));
    await clock.tick(31 * DAY);
    assertEquals(await keys.lookup(record.hash), null);
  });
});

Deno.test("KeyStore rotate keeps the id and owner, and ends the old key", async () => {
  await withStore(async ({ clock, documents }) => {
    const keys = new KeyStore(documents, { clock });
    const old = await keys.create({ ...OPTIONS, name: "n", expiresAt: clock.now() + DAY });
    await clock.tick(1000);
    const made = await keys.rotate("acme", old.record.keyId);
    assertNotEquals(made.key, old.key);
    assertEquals(made.record, {
      ...old.record,
      hash: hashKey(made.key),
      hint: made.key.slice(-4),
      createdAt: clock.now(),
    });
    const ended = await keys.lookup(old.record.hash);
    assertEquals([ended?.revokedAt, ended?.replacedAt], [clock.now(), clock.now()]);
  });
});

Deno.test("KeyStore rotate leaves the old key a grace, never past its expiry", async () => {
  await withStore(async ({ clock, documents }) => {
    const keys = new KeyStore(documents, { clock });
    const lasting = await keys.create(OPTIONS);
    await keys.rotate("acme", lasting.record.keyId, { graceMs: DAY });
    assertEquals((await keys.lookup(lasting.record.hash))?.expiresAt, clock.now() + DAY);
    const short = await keys.create({ ...OPTIONS, expiresAt: clock.now() + 5000 });
    await keys.rotate("acme", short.record.keyId, { graceMs: DAY });
    assertEquals((await keys.lookup(short.record.hash))?.expiresAt, clock.now() + 5000);
    // A revoke ends the old one in its grace, too.
    assert(await keys.revoke("acme", lasting.record.keyId));
    assertEquals((await keys.lookup(lasting.record.hash))?.revokedAt, clock.now());
  });
});

Deno.test("KeyStore rotate refuses a key that is not there or has ended", async () => {
  await withStore(async ({ clock, documents }) => {
    const keys = new KeyStore(documents, { clock });
    const revoked = (await keys.create(OPTIONS)).record.keyId;
    const expired = (await keys.create({ ...OPTIONS, expiresAt: clock.now() + 1 })).record.keyId;
    await keys.revoke("acme", revoked);
    await clock.tick(1);
    for (
      const [org, id] of [["acme", "key_x"], ["other", revoked], ["acme", revoked], [
        "acme",
        expired,
      ]] as const
    ) {
      const error = await assertRejects(() => keys.rotate(org, id), SynthError);
      assertEquals([error.code, error.status], ["key_not_found", 404]);
    }
  });
});

Deno.test("KeyStore revoke wins over rotations that run at the same time", async () => {
  await withStore(async ({ clock, documents }) => {
    const stores = [1, 2, 3].map(() => new KeyStore(documents, { clock }));
    const [first] = stores;
    assert(first);
    for (let round = 0; round < 20; round++) {
      const { record } = await first.create({ ...OPTIONS, org: `org${round}` });
      const { org, keyId } = record;
      const rotations = stores.map((keys) => keys.rotate(org, keyId).catch(() => null));
      for (let i = 0; i < round; i++) await Promise.resolve();
      await Promise.all([first.revoke(org, keyId), ...rotations]);
      await first.revoke(org, keyId);
      const { keys } = await first.list(org);
      assertEquals(keys.filter((key) => key.revokedAt === null), []);
    }
  });
});

Deno.test("KeyStore rotate leaves one working key, however many rotate at once", async () => {
  await withStore(async ({ clock, documents }) => {
    const stores = [1, 2, 3, 4].map(() => new KeyStore(documents, { clock }));
    const [first] = stores;
    assert(first);
    const { record } = await first.create(OPTIONS);
    const made = await Promise.all(stores.map((keys) => keys.rotate("acme", record.keyId)));
    const working = (await first.list("acme")).keys.filter((key) => key.revokedAt === null);
    assertEquals(working.length, 1);
    assert(made.some(({ record }) => record.hash === working[0]?.hash));
  });
});

Deno.test("KeyStore rotate also ends a key that a broken rotation left behind", async () => {
  await withStore(async ({ clock, documents }) => {
    const keys = new KeyStore(documents, { clock });
    const old = await keys.create(OPTIONS);
    const stored = await documents.get("_system", "keys", old.record.hash);
    assert(stored && typeof stored.value === "object");
    // As after a crash between making the new key and ending the old one.
    const phantom = hashKey("phantom");
    await documents.put("_system", "keys", phantom, { ...stored.value, hash: phantom }, {
      index: "acme",
    });
    const made = await keys.rotate("acme", old.record.keyId);
    const working = (await keys.list("acme")).keys.filter((key) => key.revokedAt === null);
    assertEquals(working.map((key) => key.hash), [made.record.hash]);
  });
});

Deno.test("KeyStore lookup opens no door to a record that is damaged, or of another key", async () => {
  await withStore(async ({ clock, documents }) => {
    const keys = new KeyStore(documents, { clock });
    const { record } = await keys.create(OPTIONS);
    const stored = await documents.get("_system", "keys", record.hash);
    const value = stored?.value;
    assert(typeof value === "object" && value !== null && !Array.isArray(value));
    const id = hashKey("other");
    await documents.put("_system", "keys", id, value);
    assertEquals(await keys.lookup(id), null);
    for (
      const broken of [
        null,
        1,
        [],
        {},
        { ...value, v: 2 },
        { ...value, scopes: "admin" },
        { ...value, expiresAt: "never" },
        { ...value, revokedAt: "" },
        { ...value, org: 1 },
        { ...value, limits: [{}] },
        { ...value, requestsPerMinute: "1" },
        { ...value, maxStreams: -1 },
      ]
    ) {
      await documents.put("_system", "keys", id, broken);
      const error = await assertRejects(() => keys.lookup(id), SynthError);
      assertEquals([error.code, error.status], ["key_store_unavailable", 503]);
    }
  });
});

Deno.test("KeyStore adopt takes up a key once and never revives one", async () => {
  await withStore(async ({ clock, documents }) => {
    const keys = new KeyStore(documents, { clock });
    const key = newKey();
    const records = await Promise.all(
      [1, 2, 3].map(() => new KeyStore(documents, { clock }).adopt(key, OPTIONS)),
    );
    assertEquals(new Set(records.map((record) => record.keyId)).size, 1);
    assertEquals(await keys.lookup(hashKey(key)), records[0] ?? null);
    assert(await keys.revoke("acme", records[0]?.keyId ?? ""));
    assertNotEquals((await keys.adopt(key, OPTIONS)).revokedAt, null);
    await assertRejects(() => keys.adopt("short", OPTIONS), SynthError, "text");
  });
});

Deno.test("KeyStore lookup reads a record of before the rate limits as one without", async () => {
  await withStore(async ({ clock, documents }) => {
    const keys = new KeyStore(documents, { clock });
    const { record } = await keys.create({ ...OPTIONS, maxStreams: 2 });
    assertEquals((await keys.lookup(record.hash))?.maxStreams, 2);
    const stored = await documents.get("_system", "keys", record.hash);
    const { requestsPerMinute: _, maxStreams: __, ...old } = stored?.value as Record<string, never>;
    await documents.put("_system", "keys", record.hash, old);
    const read = await keys.lookup(record.hash);
    assertEquals([read?.requestsPerMinute, read?.maxStreams], [null, null]);
  });
});
