/** No route reaches an upstream without a lease: by its types, by its imports, and by trying all of them. */
import { assert, assertEquals } from "@std/assert";
import { SynthError } from "@synth/core";
import { ROUTES } from "../gateway/app.ts";
import {
  type Admission,
  type Admitted,
  UnmeteredAdmission,
} from "../gateway/sessions/admission.ts";
import type { Lease } from "../gateway/sessions/lease.ts";
import { openSqliteLedger } from "../gateway/sessions/ledger/ledger_sqlite.ts";
import type { UpstreamCall, UpstreamClient } from "../gateway/upstreams/client.ts";
import { TransportError, type UpstreamTransport } from "../gateway/upstreams/transport.ts";
import { startGateway } from "./support/test_gateway.ts";

const BODIES: readonly unknown[] = [
  { model: "up-a", input: "Hi" },
  { model: "up-a", input: "Hi", stream: true },
  { model: "up-a", messages: [{ role: "user", content: "Hi" }] },
  { model: "up-a", messages: [{ role: "user", content: "Hi" }], stream: true },
  {},
];

class CountingTransport implements UpstreamTransport {
  calls = 0;

  send(): Promise<never> {
    this.calls++;
    return Promise.reject(new TransportError("no", { phase: "sent", kind: "protocol" }));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class RefusingAdmission extends UnmeteredAdmission {
  refused = 0;

  override admit(): Promise<Admitted> {
    this.refused++;
    throw new SynthError("No", { code: "session_limit_exceeded", status: 429 });
  }
}

/** Sends everything to every route. */
async function walk(
  admission: Admission,
): Promise<{ transport: CountingTransport; asked: number }> {
  const transport = new CountingTransport();
  const ledger = await openSqliteLedger({ path: ":memory:" });
  await using it = await startGateway({
    transport,
    admission,
    ledger,
    scopes: ["infer", "sessions", "queue", "queue:command", "admin"],
  });
  let asked = 0;
  for (const { method, paths } of ROUTES) {
    for (const path of paths) {
      const real = path.replace(/:trace\{[^}]*\}/, "trace_1").replace(
        /:[a-z_]+(?:\{[^}]*\})?/g,
        "x",
      );
      for (const body of method === "GET" ? [null] : BODIES) {
        const init = { method, ...(body === null ? { body: null } : {}) };
        const answer = await it.post(real, body, init);
        const said = await answer.text();
        // A stored response that is not there is found out by its route.
        const known = answer.status !== 404 || said.includes('"response_not_found"');
        assert(known || !real.includes("responses"), `${method} ${real}`);
        asked++;
      }
    }
  }
  return { transport, asked };
}

Deno.test("routes reach no upstream when admission refuses", async () => {
  const admission = new RefusingAdmission();
  const { transport, asked } = await walk(admission);
  assertEquals(transport.calls, 0);
  assert(asked > 200);
  // Two prefixes of paths, four roots, traced or not, streamed or whole.
  assert(admission.refused >= 32);
});

Deno.test("routes reach the upstream as often as admission grants", async () => {
  let granted = 0;
  class Counting extends UnmeteredAdmission {
    override admit(...args: Parameters<UnmeteredAdmission["admit"]>): Promise<Admitted> {
      granted++;
      return super.admit(...args);
    }
  }
  const { transport } = await walk(new Counting());
  assert(granted >= 32);
  assertEquals(transport.calls, granted);
});

Deno.test("leases are made by admission alone, and transports used by the upstream client alone", async () => {
  const makers: string[] = [];
  const senders: string[] = [];
  const casts: string[] = [];
  await visit(new URL("../gateway/", import.meta.url), "", (path, text) => {
    if (/\bimport\b[^;]*\b(?:un)?metered\b[^;]*from\s+"[^"]*lease\.ts"/.test(text)) {
      makers.push(path);
    }
    if (/\btransport\.send\(/i.test(text)) senders.push(path);
    if (/\bas (?:unknown as )?Lease\b/.test(text)) casts.push(path);
  });
  assertEquals(makers.sort(), ["sessions/admission.ts", "sessions/ledger_admission.ts"]);
  assertEquals(senders, ["upstreams/client.ts"]);
  assertEquals(casts, ["sessions/lease.ts"]);
});

async function visit(
  directory: URL,
  under: string,
  take: (path: string, text: string) => void,
): Promise<void> {
  for await (const entry of Deno.readDir(directory)) {
    const path = `${under}${entry.name}`;
    if (entry.isDirectory) {
      if (entry.name === "testing") continue;
      await visit(new URL(`${entry.name}/`, directory), `${path}/`, take);
    } else if (entry.name.endsWith(".ts") && !/^_|_test\.ts$/.test(entry.name)) {
      take(path, await Deno.readTextFile(new URL(entry.name, directory)));
    }
  }
}

/** Never run: the compiler refuses it as soon as one of these lines is allowed. */
export function neverWithoutLease(client: UpstreamClient, call: UpstreamCall, lease: Lease): void {
  void client.call(lease, call);
  // @ts-expect-error: no lease, no call
  void client.call(call);
  // @ts-expect-error: an object that looks like a lease is none
  void client.call({ id: "lease_1", maxOutputTokens: 10, choices: 1 }, call);
  // @ts-expect-error: nor is a copy of its visible part
  const copied: Lease = { id: lease.id, maxOutputTokens: 1, choices: 1 };
  // @ts-expect-error: nor nothing
  void client.call(null, call);
  void copied;
}
