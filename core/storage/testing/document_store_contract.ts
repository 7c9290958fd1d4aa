/** What every document store must do: the same tests for each adapter, on the real thing. @module */
import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { type Json, SynthError } from "../../errors.ts";
import type { Document, DocumentStore } from "../document_store.ts";
import { checkAgainstModel } from "./document_store_model.ts";

/** A store under test. */
export interface DocumentStoreSubject extends AsyncDisposable {
  /** Several clients of one store. */
  readonly stores: readonly [DocumentStore, ...DocumentStore[]];
  /** An org that no other test uses. */
  readonly org: string;
  /** Lets at least this many milliseconds go by on the store's clock. */
  pass(ms: number): Promise<void>;
}

/** Registers the tests. @param open makes a subject for one test */
export function documentStoreContract(
  name: string,
  open: () => Promise<DocumentStoreSubject>,
  runs = 25,
): void {
  const on = (criterion: string, test: (subject: DocumentStoreSubject) => Promise<void>) => {
    Deno.test(`${name} ${criterion}`, async () => {
      await using subject = await open();
      await test(subject);
    });
  };
  on("puts, gets and replaces a document whole", putsAndGets);
  on("writes only at the version that is asked for", comparesVersions);
  on("counts every one of 50 increments from several clients", countsIncrements);
  on("lets one of many creators win", createsOnce);
  on("answers a write that is sent again as it did first", remembersWrites);
  on("deletes", deletes);
  on("keeps what a put does not name", keepsIndexAndExpiry);
  on("lets documents expire everywhere", expires);
  on("lists by creation with cursors that inserts do not move", listsStably);
  on("lists by index and follows its changes", listsByIndex);
  on("keeps orgs and collections apart", separates);
  on("carries any JSON", carriesJson);
  on("carries a value of a megabyte and refuses one that is too large", limitsSize);
  on("refuses names that are not safe in a key", refusesNames);
  on("agrees with a plain map", (subject) => checkAgainstModel(subject, runs));
}

async function putsAndGets({ stores: [store], org }: DocumentStoreSubject): Promise<void> {
  assertEquals(await store.get(org, "c", "a"), null);
  const first = await store.put(org, "c", "a", { n: 1 });
  assert(first !== null);
  assertEquals([first.version, first.index, first.expiresAt], [1, null, null]);
  assertEquals(first.createdAt, first.updatedAt);
  assertEquals(await store.get(org, "c", "a"), first);
  const second = await store.put(org, "c", "a", [2]);
  assertEquals([second?.version, second?.value], [2, [2]]);
  assertEquals(second?.createdAt, first.createdAt);
  await store.put(org, "c", "b", null);
  const many = await store.getMany(org, "c", ["b", "none", "a", "a"]);
  assertEquals(many.map((one) => one && one.value), [null, null, [2], [2]]);
  assertEquals(many.map((one) => one?.id), ["b", undefined, "a", "a"]);
  assertEquals(await store.getMany(org, "c", []), []);
}

async function comparesVersions({ stores: [store], org }: DocumentStoreSubject): Promise<void> {
  assertEquals(await store.put(org, "c", "a", 1, { ifVersion: 1 }), null);
  assertEquals((await store.put(org, "c", "a", 1, { ifVersion: 0 }))?.version, 1);
  assertEquals(await store.put(org, "c", "a", 2, { ifVersion: 0 }), null);
  assertEquals((await store.put(org, "c", "a", 2, { ifVersion: 1 }))?.version, 2);
  // The same value from somebody else is a conflict all the same.
  assertEquals(await store.put(org, "c", "a", 2, { ifVersion: 1 }), null);
  assertEquals((await store.get(org, "c", "a"))?.version, 2);
}

async function countsIncrements({ stores, org }: DocumentStoreSubject): Promise<void> {
  await stores[0].put(org, "c", "n", 0);
  const increment = async (store: DocumentStore) => {
    for (;;) {
      const seen = await store.get(org, "c", "n");
      const next = Number(seen?.value) + 1;
      if (await store.put(org, "c", "n", next, { ifVersion: seen?.version ?? 0 })) return;
    }
  };
  await Promise.all(
    Array.from({ length: 50 }, (_, i) => increment(stores[i % stores.length] ?? stores[0])),
  );
  const end = await stores[0].get(org, "c", "n");
  assertEquals([end?.value, end?.version], [50, 51]);
}

async function createsOnce({ stores, org }: DocumentStoreSubject): Promise<void> {
  const tries = Array.from(
    { length: 20 },
    (_, i) => (stores[i % stores.length] ?? stores[0]).put(org, "c", "a", "x", { ifVersion: 0 }),
  );
  const won = (await Promise.all(tries)).filter((one) => one !== null);
  assertEquals(won.length, 1);
  assertEquals((await stores[0].get(org, "c", "a"))?.version, 1);
}

async function remembersWrites({ stores: [store], org }: DocumentStoreSubject): Promise<void> {
  const options = { ifVersion: 0, writeId: "w1", index: "i", ttlMs: 60_000 };
  const first = await store.put(org, "c", "a", "mine", options);
  assertEquals(first?.version, 1);
  await store.put(org, "c", "a", "another's", { ifVersion: 1 });
  assertEquals(await store.put(org, "c", "a", "mine", options), first);
  assertEquals((await store.get(org, "c", "a"))?.value, "another's");
  assertEquals((await store.put(org, "c", "b", 1, { writeId: "w1" }))?.version, 1);
  const remove = { ifVersion: 2, writeId: "w2" };
  assertEquals(await store.delete(org, "c", "a", remove), true);
  await store.put(org, "c", "a", "new");
  assertEquals(await store.delete(org, "c", "a", remove), true);
  assertEquals((await store.get(org, "c", "a"))?.value, "new");
  const refused = { ifVersion: 9, writeId: "w3" };
  assertEquals(await store.put(org, "c", "a", "late", refused), null);
  for (let version = 1; version < 9; version++) await store.put(org, "c", "a", version);
  assertEquals(await store.put(org, "c", "a", "late", refused), null);
}

async function deletes({ stores: [store], org }: DocumentStoreSubject): Promise<void> {
  assertEquals(await store.delete(org, "c", "a"), false);
  await store.put(org, "c", "a", 1, { index: "i" });
  assertEquals(await store.delete(org, "c", "a", { ifVersion: 2 }), false);
  assertEquals(await store.delete(org, "c", "a", { ifVersion: 1 }), true);
  assertEquals(await store.delete(org, "c", "a"), false);
  assertEquals(await store.get(org, "c", "a"), null);
  assertEquals((await store.list(org, "c", { index: "i" })).documents, []);
  assertEquals(await store.count(org, "c"), 0);
  assertEquals((await store.put(org, "c", "a", 2))?.version, 1);
}

async function keepsIndexAndExpiry({ stores: [store], org }: DocumentStoreSubject): Promise<void> {
  const first = await store.put(org, "c", "a", 1, { index: "i", ttlMs: 1_000_000 });
  const second = await store.put(org, "c", "a", 2);
  assertEquals([second?.index, second?.expiresAt], ["i", first?.expiresAt]);
  const third = await store.put(org, "c", "a", 3, { index: null, ttlMs: null });
  assertEquals([third?.index, third?.expiresAt], [null, null]);
  assertEquals(await store.get(org, "c", "a"), third);
}

async function expires({ stores: [store], org, pass }: DocumentStoreSubject): Promise<void> {
  await store.put(org, "c", "stays", 1, { index: "i", ttlMs: 600_000 });
  await store.put(org, "c", "goes", 1, { index: "i", ttlMs: 20 });
  await store.put(org, "c", "kept", 1, { index: "i", ttlMs: 20 });
  await store.put(org, "c", "kept", 2, { ttlMs: null });
  await pass(25);
  assertEquals(await store.get(org, "c", "goes"), null);
  assertEquals(await store.count(org, "c"), 2);
  assertEquals(await store.count(org, "c", { index: "i" }), 2);
  assertEquals(idsOf((await store.list(org, "c")).documents), ["kept", "stays"]);
  assertEquals(idsOf((await store.list(org, "c", { index: "i" })).documents), ["kept", "stays"]);
  assertEquals(await store.delete(org, "c", "goes"), false);
  assertEquals(await store.put(org, "c", "goes", 2, { ifVersion: 1 }), null);
  const anew = await store.put(org, "c", "goes", 2, { ifVersion: 0 });
  assertEquals([anew?.version, anew?.index, anew?.expiresAt], [1, null, null]);
  assertEquals(idsOf((await store.list(org, "c")).documents), ["goes", "kept", "stays"]);
  // A collection whose documents are all gone is gone, too; it can begin anew.
  await store.put(org, "short", "a", 1, { ttlMs: 10 });
  await pass(15);
  assertEquals(await store.count(org, "short"), 0);
  await store.put(org, "short", "b", 1);
  assertEquals(idsOf((await store.list(org, "short")).documents), ["b"]);
}

async function listsStably({ stores: [store], org }: DocumentStoreSubject): Promise<void> {
  for (let n = 1; n <= 7; n++) await store.put(org, "c", `d${n}`, n);
  const newest = await store.list(org, "c", { limit: 3 });
  assertEquals(idsOf(newest.documents), ["d7", "d6", "d5"]);
  const oldest = await store.list(org, "c", { limit: 3, order: "oldest" });
  assertEquals(idsOf(oldest.documents), ["d1", "d2", "d3"]);
  await store.put(org, "c", "d8", 8);
  await store.put(org, "c", "d4", "changed");
  await store.delete(org, "c", "d3");
  const after = await store.list(org, "c", { limit: 3, ...cursorOf(newest.cursor) });
  assertEquals(idsOf(after.documents), ["d4", "d2", "d1"]);
  assertEquals(after.cursor, null);
  const rest = await store.list(org, "c", { order: "oldest", ...cursorOf(oldest.cursor) });
  assertEquals(idsOf(rest.documents), ["d4", "d5", "d6", "d7", "d8"]);
  assertEquals(rest.cursor, null);
  assertEquals((await store.list(org, "c", { limit: 7 })).cursor, null);
  const wrong = { order: "oldest" as const, ...cursorOf(newest.cursor) };
  await assertRejects(() => store.list(org, "c", wrong), SynthError);
}

async function listsByIndex({ stores: [store], org }: DocumentStoreSubject): Promise<void> {
  // "a" and "ä" and what begins alike: an index value is never a prefix.
  const indexes = ["a", "ab", "a", "ä", "a b", "😀", "*", "[a"];
  for (const [n, index] of indexes.entries()) await store.put(org, "c", `d${n}`, n, { index });
  assertEquals(idsOf((await store.list(org, "c", { index: "a" })).documents), ["d2", "d0"]);
  for (const index of ["ä", "a b", "😀", "*", "[a"]) {
    assertEquals(await store.count(org, "c", { index }), 1, index);
    assertEquals((await store.list(org, "c", { index })).documents[0]?.index, index);
  }
  await store.put(org, "c", "d0", 0, { index: "ab" });
  await store.put(org, "c", "d1", 1, { index: null });
  assertEquals(idsOf((await store.list(org, "c", { index: "a" })).documents), ["d2"]);
  assertEquals(idsOf((await store.list(org, "c", { index: "ab" })).documents), ["d0"]);
  assertEquals(await store.count(org, "c"), indexes.length);
  const first = await store.list(org, "c", { index: "a", limit: 1 });
  assertEquals(first.cursor, null);
}

async function separates({ stores: [store], org }: DocumentStoreSubject): Promise<void> {
  await store.put(org, "c", "a", 1);
  await store.put(`${org}x`, "c", "a", 2);
  await store.put(org, "c.d", "a", 3);
  await store.put(org, "c", "d:a", 4);
  assertEquals((await store.get(org, "c", "a"))?.value, 1);
  assertEquals((await store.get(`${org}x`, "c", "a"))?.value, 2);
  assertEquals((await store.get(org, "c.d", "a"))?.value, 3);
  assertEquals(await store.count(org, "c"), 2);
  assertEquals(await store.delete(`${org}x`, "c", "a"), true);
  assertEquals((await store.get(org, "c", "a"))?.value, 1);
}

async function carriesJson({ stores: [store], org }: DocumentStoreSubject): Promise<void> {
  const values: Json[] = [
    ...["123", "null", "OK", "", "\0", "\u2028", "\ud800", "é😀", "#!lua", 0.1, -0, 2 ** 53, 1e300],
    ...[true, null, [], {}, [[[]]]],
    JSON.parse('{"__proto__":{"polluted":1},"constructor":2,"toString":null,"":0}'),
  ];
  for (const [n, value] of values.entries()) {
    await store.put(org, "c", `d${n}`, value);
    const got = await store.get(org, "c", `d${n}`);
    assertEquals(JSON.stringify(got?.value), JSON.stringify(value));
  }
  assertEquals(({} as Record<string, unknown>)["polluted"], undefined);
  for (const id of ["__proto__", "constructor", "a:b{c}d", "'\";--", "[x", "*?"]) {
    await store.put(org, "c", id, id, { index: "__proto__" });
    assertEquals((await store.get(org, "c", id))?.value, id);
  }
  assertEquals(await store.count(org, "c", { index: "__proto__" }), 6);
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ noUnicodeString: false }), async (value) => {
      await store.put(org, "c", "any", value as Json);
      const got = await store.get(org, "c", "any");
      assertEquals(JSON.stringify(got?.value), JSON.stringify(value));
    }),
    { numRuns: 20 },
  );
}

async function limitsSize({ stores: [store], org }: DocumentStoreSubject): Promise<void> {
  const large = { text: 'é"\\ '.repeat(200_000) };
  await store.put(org, "c", "a", large);
  assertEquals((await store.get(org, "c", "a"))?.value, large);
  const error = await assertRejects(
    () => store.put(org, "c", "b", "x".repeat(9 * 1024 * 1024)),
    SynthError,
  );
  assertEquals([error.code, error.status], ["document_too_large", 413]);
  assertEquals(await store.get(org, "c", "b"), null);
}

async function refusesNames({ stores: [store], org }: DocumentStoreSubject): Promise<void> {
  const bad = ["", "a b", "a\n", "é", "a}", "{a", "a:b", "a\0", "x".repeat(65)];
  const calls = [
    ...bad.map((name) => () => store.get(name, "c", "a")),
    ...bad.map((name) => () => store.put(org, name, "a", 1)),
    ...["", "a b", "a\0b", "é", "x".repeat(257)].map((id) => () => store.delete(org, "c", id)),
    ...["", "a\0", "\ud800", "x".repeat(257)].map((index) => () => store.list(org, "c", { index })),
    ...["", "a\0", "\x01"].map((index) => () => store.put(org, "c", "a", 1, { index })),
    ...["", "a b"].map((writeId) => () => store.put(org, "c", "a", 1, { writeId })),
    ...[-1, 1.5, NaN].map((ifVersion) => () => store.put(org, "c", "a", 1, { ifVersion })),
    ...[0, -1, NaN, Infinity].map((ttlMs) => () => store.put(org, "c", "a", 1, { ttlMs })),
    ...[0, 1001, 1.5].map((limit) => () => store.list(org, "c", { limit })),
    ...["x", "n1", "n(a"].map((cursor) => () => store.list(org, "c", { cursor })),
    () => store.count("", "c"),
    () => store.getMany(org, "c", ["fine", ""]),
  ];
  for (const call of calls) {
    const error = await assertRejects<SynthError>(call, SynthError);
    assertEquals([error.code, error.status], ["invalid_document_name", 400]);
  }
}

function idsOf(documents: readonly Document[]): string[] {
  return documents.map((document) => document.id);
}

function cursorOf(cursor: string | null): { cursor: string } {
  assert(cursor !== null);
  return { cursor };
}
