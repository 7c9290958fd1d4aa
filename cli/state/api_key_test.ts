import { assert, assertEquals, assertRejects } from "@std/assert";
import { SynthError } from "@synth/core";
import { Authenticator, hashKey, KeyStore } from "@synth/core/auth";
import { documentMigrations, SqliteDocumentStore } from "@synth/core/storage";
import { openSqlite } from "@synth/core/storage/sqlite";
import { ensureApiKey, environmentKey } from "./api_key.ts";

async function withKeys(run: (keys: KeyStore, directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  const store = await openSqlite({ path: ":memory:", migrations: documentMigrations });
  try {
    await run(new KeyStore(new SqliteDocumentStore(store)), directory);
  } finally {
    await store.close();
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("ensureApiKey makes one key however many ask at once", async () => {
  await withKeys(async (keys, directory) => {
    const path = `${directory}/api_key`;
    const asked = await Promise.all(Array.from({ length: 50 }, () => ensureApiKey(path, keys)));
    assertEquals(new Set(asked.map(({ key }) => key)).size, 1);
    assertEquals(asked.filter(({ made }) => made).length, 1);
    assertEquals((await keys.list("local")).keys.length, 1);
    const left = await Array.fromAsync(Deno.readDir(directory), ({ name }) => name);
    assertEquals(left, ["api_key"]);
  });
});

Deno.test("ensureApiKey tells a store that does not know the file's key", async () => {
  await withKeys(async (first, directory) => {
    const path = `${directory}/api_key`;
    const { key } = await ensureApiKey(path, first);
    await withKeys(async (second) => {
      assertEquals(await ensureApiKey(path, second), { key, made: false, ended: false });
      assertEquals((await second.lookup(hashKey(key)))?.scopes.length, 5);
    });
  });
});

Deno.test({
  name: "ensureApiKey closes a file that others can read",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withKeys(async (keys, directory) => {
      const path = `${directory}/api_key`;
      const { key } = await ensureApiKey(path, keys);
      await Deno.chmod(path, 0o644);
      assertEquals((await ensureApiKey(path, keys)).key, key);
      assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    }),
});

Deno.test("ensureApiKey refuses a file that holds something else", async () => {
  await withKeys(async (keys, directory) => {
    await Deno.writeTextFile(`${directory}/api_key`, "CANARY");
    const error = await assertRejects(
      () => ensureApiKey(`${directory}/api_key`, keys),
      SynthError,
    );
    assertEquals([error.code, error.exitCode], ["api_key_file_broken", 2]);
    assert(!error.toCliMessage().includes("CANARY"));
  });
});

Deno.test("environmentKey takes SYNTH_API_KEY as it is", async () => {
  assertEquals(environmentKey({}), null);
  assertEquals(environmentKey({ SYNTH_API_KEY: "" }), null);
  const entry = environmentKey({ SYNTH_API_KEY: "my-key" });
  assert(entry !== null);
  const principal = await new Authenticator({ staticKeys: [entry] }).authenticateKey("my-key");
  assert(principal.scopes.has("infer") && principal.scopes.has("admin"));
});
