import { assert, assertEquals } from "@std/assert";
import { openSqliteLedger } from "./ledger_sqlite.ts";
import { ask, granted, limit, refused, spec, usage } from "./testing/samples.ts";

const CHILD = new URL("./testing/ledger_child.ts", import.meta.url).href;

function spend(path: string, session: string, requests: number, mode = "") {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", CHILD, path, "org", session, String(requests), mode],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function withFile(
  tokens: number,
  fn: (path: string, session: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "synth-ledger-" });
  const path = `${dir}/ledger.db`;
  const ledger = await openSqliteLedger({ path });
  const session = spec([limit("tokens", tokens)]);
  await ledger.openSession({
    org: "org",
    user: "user",
    keyId: "k",
    makeActive: true,
    spec: session,
  });
  await ledger.close();
  try {
    await fn(path, session.id);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("SqliteLedger never passes a limit when four processes spend from it", async () => {
  await withFile(10_000, async (path, session) => {
    const outputs = await Promise.all(
      [1, 2, 3, 4].map(() => spend(path, session, 50).output()),
    );
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assertEquals(outputs.map(({ stderr }) => text(stderr)), ["", "", "", ""]);
    const grants = outputs.flatMap(({ stdout }) => text(stdout).split("\n").filter(Boolean));
    const ledger = await openSqliteLedger({ path });
    const state = await ledger.getSession("org", session);
    assertEquals(state?.used.tokens, BigInt(grants.length) * 150n);
    assertEquals(state?.limits.map((one) => [one.held, one.overrun]), [[0n, 0n]]);
    assert((state?.used.tokens ?? 0n) <= 10_000n);
    await ledger.close();
  });
});

Deno.test("SqliteLedger charges what a killed process held, and goes on", async () => {
  await withFile(1000, async (path, session) => {
    const child = spend(path, session, 1, "hang");
    const reader = child.stdout.getReader();
    await reader.read();
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    await child.stderr.cancel();
    const ledger = await openSqliteLedger({ path });
    const held = await ledger.getSession("org", session);
    assertEquals(held?.limits.map((one) => [one.held, one.charged]), [[300n, 0n]]);
    assertEquals(await ledger.expireLeases("org"), { expired: 1 });
    const charged = await ledger.getSession("org", session);
    assertEquals(charged?.limits.map((one) => [one.held, one.charged]), [[0n, 300n]]);
    assertEquals((await ledger.listUsage("org")).map((one) => one.expired), [true]);
    for (const output of [200, 200, 100]) {
      const grant = granted(await ledger.reserve(ask("org", session)));
      assertEquals(grant.outputTokens, output);
      await ledger.settle(usage(grant, 250, 0));
      if (output === 100) break;
    }
    assertEquals(refused(await ledger.reserve(ask("org", session))).reason, "exceeded");
    await ledger.close();
  });
});
