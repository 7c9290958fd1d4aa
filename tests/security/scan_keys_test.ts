/** Who is shown what by a scan: the task apps' key, and the credentials of managed tunnels; and where a scan lets itself be led. */
import { assert, assertEquals } from "@std/assert";
import { relative } from "node:path";
import { FakeClock, SecretSet } from "@synth/core";
import { findCloudflared } from "../../task_app/tunnels/cloudflared/find_cloudflared.ts";
import { checkTaskAppHealth } from "../../task_app/health.ts";
import { checkCandidate } from "../../task_app/discovery/check_candidate.ts";
import type { MergedCandidate } from "../../task_app/discovery/merge.ts";

const KEY = "canary-task-app-key";
const ACCESS = { "cf-access-client-id": "canary-id", "cf-access-client-secret": "canary-secret" };

interface Shown {
  key: boolean;
  access: boolean;
}

/** What a server at this place is shown that says it is a task app, and refuses whoever has no key. */
async function shownTo(
  place: Partial<MergedCandidate> & { readonly url: string },
  sendKey = false,
): Promise<Shown> {
  const shown: Shown = { key: false, access: false };
  const candidate: MergedCandidate = {
    via: "registry",
    type: "local",
    port: null,
    mode: null,
    hostname: null,
    appId: null,
    recordId: null,
    trusted: false,
    metadata: {},
    sources: ["registry"],
    ...place,
  };
  await checkCandidate(candidate, {
    apiKey: KEY,
    sendKey,
    accessHeaders: ACCESS,
    secrets: new SecretSet([KEY]),
    timeoutMs: 1000,
    clock: new FakeClock(),
    signal: new AbortController().signal,
    fetch: (input, init) => {
      const { headers, url } = new Request(input, init);
      shown.key ||= headers.get("x-api-key") !== null;
      shown.access ||= [...headers.keys()].some((name) => name.startsWith("cf-access-"));
      const { pathname } = new URL(url);
      if (pathname === "/") return Promise.resolve(Response.json({ status: "ok", service: "app" }));
      return headers.get("x-api-key") === KEY
        ? Promise.resolve(Response.json({ healthy: true }))
        : Promise.resolve(
          Response.json({ detail: { error: { code: "unauthorised" } } }, { status: 401 }),
        );
    },
  });
  return shown;
}

Deno.test("a stranger who says that he is a task app is shown the key on this machine alone", async () => {
  for (const url of ["http://127.0.0.1:8001", "http://localhost:8001", "http://[::1]:8001"]) {
    assertEquals(await shownTo({ url }), { key: true, access: false }, url);
  }
  for (
    const url of [
      "https://apps.example.test",
      "http://10.0.0.7:8001",
      "http://169.254.169.254",
      "http://127.0.0.1.example.test",
      "http://localhost.example.test",
      "http://[::ffff:10.0.0.7]:8001",
    ]
  ) {
    assertEquals(await shownTo({ url }), { key: false, access: false }, url);
    assertEquals(await shownTo({ url, mode: "managed" }), { key: false, access: false }, url);
  }
});

Deno.test("the credentials of managed tunnels go to managed tunnels alone, the trusted ones or all that were asked for", async () => {
  const url = "https://app.tunnels.test";
  for (const [trusted, sendKey] of [[true, false], [false, true]] as const) {
    for (const mode of ["managed", "quick", null] as const) {
      const shown = await shownTo({ url, mode, trusted }, sendKey);
      assertEquals(shown, { key: true, access: mode === "managed" }, String(mode));
    }
  }
});

Deno.test("a scan reads no more of a greeting than one has", async () => {
  let read = 0;
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull(controller) {
        read += 16_384;
        if (read > 8_000_000) controller.close();
        else controller.enqueue(new Uint8Array(16_384).fill(32));
      },
    });
  const app = await checkCandidate({
    url: "http://127.0.0.1:8001",
    via: "port_scan",
    type: "local",
    port: 8001,
    mode: null,
    hostname: null,
    appId: null,
    recordId: null,
    trusted: false,
    metadata: {},
    sources: ["port_scan"],
  }, {
    apiKey: undefined,
    sendKey: false,
    accessHeaders: undefined,
    secrets: new SecretSet(),
    timeoutMs: 1000,
    clock: new FakeClock(),
    signal: new AbortController().signal,
    fetch: () => Promise.resolve(new Response(endless())),
  });
  assertEquals(app.is_task_app, false);
  assert(read < 1_000_000, `${read} bytes were read`);
});

/** What a server at this address answers; every request is counted. */
async function healthOf(
  answer: (url: string) => Response,
): Promise<{ asked: string[]; status: string }> {
  const asked: string[] = [];
  const { status } = await checkTaskAppHealth("http://127.0.0.1:8001", {
    apiKey: KEY,
    info: false,
    clock: new FakeClock(),
    fetch: (input) => {
      const url = String(input);
      asked.push(url);
      // What follows for ever must fail, and not hang.
      if (asked.length > 20) throw new Error("asked again and again");
      return Promise.resolve(answer(url));
    },
  });
  return { asked, status };
}

Deno.test("a health check follows redirects to HTTP alone, and five of them", async () => {
  for (
    const location of [
      "file:///a/secret",
      "data:application/json,{}",
      "blob:http://127.0.0.1/x",
      "ftp://127.0.0.1/x",
    ]
  ) {
    const headers = { location };
    const { asked, status } = await healthOf(() => new Response(null, { status: 302, headers }));
    assertEquals([asked.length, status], [1, "unreachable"], location);
  }
  let hops = 0;
  const { asked, status } = await healthOf(() =>
    new Response(null, { status: 307, headers: { location: `/${hops++}` } })
  );
  assertEquals([asked.length, status], [6, "unreachable"]);
});

Deno.test("a health check reads no more of an answer than one has", async () => {
  let read = 0;
  const { status } = await healthOf(() =>
    new Response(
      new ReadableStream<Uint8Array>({
        pull(controller) {
          read += 16_384;
          if (read > 8_000_000) controller.close();
          else controller.enqueue(new Uint8Array(16_384).fill(32));
        },
      }),
    )
  );
  assert(read < 1_000_000, `${read} bytes were read`);
  assertEquals(status, "healthy");
});

Deno.test("programs are looked for at absolute places alone: not where somebody happens to stand", async () => {
  const there = await Deno.makeTempDir({ prefix: "synth-programs-" });
  try {
    await Deno.writeTextFile(`${there}/cloudflared`, "#!/bin/sh\n", { mode: 0o755 });
    const find = (path: string) =>
      findCloudflared({
        home: `${there}/home`,
        os: "linux",
        env: (name) => name === "PATH" ? path : undefined,
      }).catch((error) => error.code);
    const fromHere = relative(Deno.cwd(), there);
    for (const path of [fromHere, `./${fromHere}`, `${fromHere}:${fromHere}/`, ".", "", ":"]) {
      assertEquals(await find(path), "cloudflared_not_found", path);
    }
    assertEquals(await find(`${fromHere}:${there}`), `${there}/cloudflared`);
  } finally {
    await Deno.remove(there, { recursive: true });
  }
});
