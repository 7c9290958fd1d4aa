/** The dashboard over HTTP: who gets in, what they see, what forms from elsewhere do, and what hostile names become. */
import { assert, assertEquals, assertFalse, assertMatch, assertStringIncludes } from "@std/assert";
import { FakeClock, newSessionId } from "@synth/core";
import { Authenticator, KeyStore, type Scope, SCOPES } from "@synth/core/auth";
import { configSchema } from "@synth/core/config";
import { documentMigrations, SqliteDocumentStore } from "@synth/core/storage";
import { openSqlite } from "@synth/core/storage/sqlite";
import { createGateway, type Gateway } from "@synth/gateway";
import { undiciTransport } from "@synth/gateway/deno";
import type { SessionLedger } from "../gateway/sessions/ledger/ledger.ts";
import { openSqliteLedger } from "../gateway/sessions/ledger/ledger_sqlite.ts";

const ORIGIN = "http://gateway.test";

/** A browser that keeps cookies, as far as this page needs one. */
class Browser {
  readonly #gateway: Gateway;
  readonly cookies: Map<string, string> = new Map();

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  async get(path = "/dashboard", headers: Record<string, string> = {}): Promise<Response> {
    return await this.#send(new Request(ORIGIN + path, { headers: this.#headers(headers) }));
  }

  async head(path: string): Promise<Response> {
    const headers = this.#headers({});
    return await this.#send(new Request(ORIGIN + path, { method: "HEAD", headers }));
  }

  /** Sends a form as a page of ours would, unless `headers` say otherwise. */
  async post(
    path: string,
    form: Record<string, string>,
    headers: Record<string, string> = { "sec-fetch-site": "same-origin" },
  ): Promise<Response> {
    return await this.#send(
      new Request(ORIGIN + path, {
        method: "POST",
        headers: this.#headers(headers),
        body: new URLSearchParams(form),
      }),
    );
  }

  /** Signs in with a key, and gives the page. */
  async signIn(key: string): Promise<string> {
    const token = tokenOf(await (await this.get()).text());
    const answer = await this.post("/dashboard/session", { key, form_token: token });
    assertEquals([answer.status, answer.headers.get("location")], [303, "/dashboard"]);
    await answer.body?.cancel();
    return await (await this.get()).text();
  }

  #headers(more: Record<string, string>): Record<string, string> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    return { ...(cookie === "" ? {} : { cookie }), ...more };
  }

  async #send(request: Request): Promise<Response> {
    const response = await this.#gateway.fetch(request);
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value === "") this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return response;
  }
}

interface World extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly clock: FakeClock;
  readonly keys: KeyStore;
  readonly ledger: SessionLedger;
  readonly documents: SqliteDocumentStore;
  /** How often each verb of the ledger was asked. */
  readonly reads: Map<string, number>;
  browser(): Browser;
  key(
    org: string,
    scopes?: readonly Scope[],
    name?: string,
  ): Promise<{ key: string; keyId: string }>;
  call(key: string, line: string, body?: unknown): Promise<Response>;
}

async function openWorld(): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const clock = new FakeClock(Date.UTC(2026, 10, 22, 12));
  const file = await openSqlite({ path: ":memory:", migrations: documentMigrations });
  stack.defer(() => file.close());
  const documents = new SqliteDocumentStore(file, { clock });
  const keys = new KeyStore(documents, { clock });
  const counted = counting(await openSqliteLedger({ path: ":memory:", clock }));
  const authenticator = new Authenticator({ keys, clock });
  stack.defer(() => authenticator.close());
  const gateway = await createGateway({
    config: configSchema.parse({}),
    authenticator,
    secrets: { env: () => undefined },
    transport: undiciTransport(),
    documents,
    ledger: counted.ledger,
    keys,
    clock,
  });
  stack.defer(() => gateway.drain(0));
  const kept = stack.move();
  return {
    gateway,
    clock,
    keys,
    reads: counted.reads,
    ledger: counted.ledger,
    documents,
    browser: () => new Browser(gateway),
    async key(org, scopes = SCOPES, name = "") {
      const made = await keys.create({ org, user: "ann", scopes, name });
      return { key: made.key, keyId: made.record.keyId };
    },
    call: (key, line, body) => {
      const [method = "", path = ""] = line.split(" ");
      return gateway.fetch(
        new Request(ORIGIN + path, {
          method,
          headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        }),
      );
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function counting(
  ledger: SessionLedger,
): { readonly ledger: SessionLedger; readonly reads: Map<string, number> } {
  const reads = new Map<string, number>();
  const counted = new Proxy(ledger, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        reads.set(String(name), (reads.get(String(name)) ?? 0) + 1);
        return value.apply(target, args);
      };
    },
  });
  return { ledger: counted, reads };
}

function tokenOf(html: string): string {
  return /name="form_token" value="([0-9a-f]{64})"/.exec(html)?.[1] ?? "";
}

async function openSession(
  world: World,
  key: string,
  body: Record<string, unknown> = {},
): Promise<string> {
  const answer = await world.call(key, "POST /api/v1/sessions", { make_active: false, ...body });
  return (await answer.json()).session_id;
}

/** Reads a feed until `found` likes one of its events; then closes it. */
async function feedUntil(
  world: World,
  response: Response,
  found: (event: string, data: string) => boolean,
): Promise<void> {
  assertEquals(response.status, 200);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (reader !== undefined) {
    const next = reader.read();
    // Time stands still but for this.
    const moving = (async () => {
      for (let i = 0; i < 40; i++) await world.clock.tick(100);
    })();
    const { value, done } = await next;
    await moving;
    text += value ?? "";
    const events = text.split("\n\n").map((one) => ({
      event: /^event: (.+)$/m.exec(one)?.[1] ?? "",
      data: /^data: (.+)$/m.exec(one)?.[1] ?? "",
    }));
    if (events.some(({ event, data }) => found(event, data))) break;
    assertFalse(done, `the feed ended: ${text}`);
  }
  await reader?.cancel();
}

Deno.test("dashboard signs in with a key that stays out of cookie, page and store", async () => {
  await using world = await openWorld();
  const { key, keyId } = await world.key("acme", SCOPES, "mine");
  const browser = world.browser();
  const first = await browser.get();
  assertEquals(first.status, 200);
  const html = await first.text();
  assertStringIncludes(html, "<h1>Sign in</h1>");
  assertFalse(html.includes("Sessions"));
  const answer = await browser.post("/dashboard/session", { key, form_token: tokenOf(html) });
  assertEquals(answer.status, 303);
  const cookie = answer.headers.getSetCookie()[0] ?? "";
  assertMatch(
    cookie,
    /^synth_dashboard=[A-Za-z0-9_-]{43}; Path=\/dashboard; Max-Age=28800; HttpOnly; SameSite=Strict$/,
  );
  assertFalse(cookie.includes(key));
  const kept = JSON.stringify(await world.documents.list("_system", "dashboard_sign_ins"));
  assertStringIncludes(kept, "keyHash");
  assertFalse(kept.includes(key) || kept.includes(browser.cookies.get("synth_dashboard") ?? ""));
  const page = await (await browser.get()).text();
  for (const name of ["Overview", "Sessions", "Running calls", "Spend", "Keys", "Task apps"]) {
    assertMatch(page, new RegExp(`<h2 [^>]*>${name}</h2>`));
  }
  assertStringIncludes(page, keyId);
  assertFalse(page.includes(key), "no key is shown");
  assertFalse(page.includes(key.slice(-4) + "<"), "nor the end of one");
});

Deno.test("dashboard's cookie is Secure where the browser speaks https", async () => {
  await using world = await openWorld();
  const { key } = await world.key("acme");
  const browser = world.browser();
  const html = await (await browser.get()).text();
  // A proxy in front took TLS off, and kept the name.
  const answer = await browser.post("/dashboard/session", { key, form_token: tokenOf(html) }, {
    origin: "https://gateway.test",
  });
  assertEquals(answer.status, 303);
  for (const cookie of answer.headers.getSetCookie()) assertMatch(cookie, /; Secure$/);
});

Deno.test("dashboard refuses keys that are wrong, revoked or without the scope", async () => {
  await using world = await openWorld();
  const revoked = await world.key("acme");
  await world.keys.revoke("acme", revoked.keyId);
  const infer = await world.key("acme", ["infer"]);
  for (
    const [key, status, text] of [
      ["", 401, "not valid"],
      ["wrong", 401, "not valid"],
      ["x".repeat(600), 401, "not valid"],
      [revoked.key, 401, "not valid"],
      [infer.key, 403, "lacks the scope"],
    ] as const
  ) {
    const browser = world.browser();
    const form_token = tokenOf(await (await browser.get()).text());
    const answer = await browser.post("/dashboard/session", { key, form_token });
    assertEquals(answer.status, status);
    const html = await answer.text();
    assertStringIncludes(html, text);
    assertStringIncludes(html, 'role="alert"');
    assertFalse(key.length > 8 && html.includes(key), "a key is not repeated");
    assertFalse(browser.cookies.has("synth_dashboard"));
    assertStringIncludes(await (await browser.get()).text(), "<h1>Sign in</h1>");
  }
});

Deno.test("dashboard refuses forms from elsewhere", async () => {
  await using world = await openWorld();
  const { key } = await world.key("acme");
  const session = await openSession(world, key);
  const browser = world.browser();
  const page = await browser.signIn(key);
  const good = { form_token: tokenOf(page), session_id: session };
  const other = await world.browser().signIn(key);
  const end = "/dashboard/end-session";
  const refusals: [Record<string, string>, Record<string, string>][] = [
    [good, { "sec-fetch-site": "cross-site" }],
    [good, { "sec-fetch-site": "same-site" }],
    [good, { "sec-fetch-site": "none" }],
    [good, { "sec-fetch-site": "cross-site", origin: ORIGIN }],
    [good, {}],
    [good, { origin: "null" }],
    [good, { origin: "http://evil.test" }],
    [good, { origin: "http://gateway.test.evil.test" }],
    [good, { origin: "http://gateway.test:81" }],
    [{ session_id: session }, { origin: ORIGIN }],
    [{ ...good, form_token: "0".repeat(64) }, { origin: ORIGIN }],
    [{ ...good, form_token: tokenOf(other) }, { origin: ORIGIN }],
  ];
  for (const path of [end, "/dashboard/sign-out"]) {
    for (const [form, headers] of refusals) {
      const answer = await browser.post(path, form, headers);
      assertEquals(answer.status, 403, `${path} ${JSON.stringify([form, headers])}`);
      assertStringIncludes(await answer.text(), "form_refused");
    }
  }
  assertEquals((await world.ledger.getSession("acme", session))?.status, "active");
  // A form to sign in, too: nobody is signed in as somebody else.
  const stranger = world.browser();
  const token = tokenOf(await (await stranger.get()).text());
  for (const headers of [{ "sec-fetch-site": "cross-site" }, { origin: "http://evil.test" }]) {
    const answer = await stranger.post(
      "/dashboard/session",
      { key, form_token: token },
      headers as Record<string, string>,
    );
    assertEquals(answer.status, 403);
    assertFalse(stranger.cookies.has("synth_dashboard"));
  }
  const json = await browser.post(end, good, {
    "sec-fetch-site": "same-origin",
    "content-type": "text/plain",
  });
  assertEquals(json.status, 415);
  // And the page's own is taken.
  const ended = await browser.post(end, good, { origin: ORIGIN });
  assertEquals([ended.status, ended.headers.get("location")], [303, `/dashboard?ended=${session}`]);
  assertEquals((await world.ledger.getSession("acme", session))?.status, "ended");
  const shown = await (await browser.get(`/dashboard?ended=${session}`)).text();
  assertStringIncludes(shown, "was ended");
  const again = await browser.post(end, good);
  assertEquals(again.headers.get("location"), `/dashboard?over=${session}`);
});

Deno.test("dashboard shows an org nothing of another, and ends nothing of another", async () => {
  await using world = await openWorld();
  const [ann, eve] = [await world.key("acme", SCOPES, "of-ann"), await world.key("evil")];
  const session = await openSession(world, ann.key, {
    metadata: { title: "secret-plan" },
    session_type: "secret-type",
  });
  await world.call(ann.key, `POST /api/v1/sessions/${session}/usage`, { cost_usd: 12.34 });
  const browser = world.browser();
  const page = await browser.signIn(eve.key);
  for (const text of [session, "secret-plan", "secret-type", "12.34", "of-ann", ann.keyId]) {
    assertFalse(page.includes(text), text);
  }
  assertStringIncludes(page, "No sessions yet");
  const answer = await browser.post("/dashboard/end-session", {
    form_token: tokenOf(page),
    session_id: session,
  });
  assertEquals(answer.headers.get("location"), `/dashboard?gone=${session}`);
  assertEquals((await world.ledger.getSession("acme", session))?.status, "active");
  for (const session_id of ["", "sess_x", "__proto__", `${session}' OR 1=1`]) {
    const form = { form_token: tokenOf(page), session_id };
    assertEquals((await browser.post("/dashboard/end-session", form)).status, 400);
  }
});

Deno.test("dashboard shows the task apps that announced themselves, of its own org", async () => {
  await using world = await openWorld();
  const [ann, eve] = [await world.key("acme"), await world.key("evil")];
  assertStringIncludes(await world.browser().signIn(ann.key), "No task app is registered");
  const answer = await world.call(ann.key, "PUT /api/v1/registry/task-apps/math", {
    url: "https://math.example/app",
    name: "<i>Maths</i>",
  });
  assertEquals(answer.status, 200);
  await world.clock.tick(10_000);
  const page = await world.browser().signIn(ann.key);
  for (const text of ["&lt;i&gt;Maths&lt;/i&gt;", "https://math.example/app", "1 registered"]) {
    assertStringIncludes(page, text);
  }
  assertFalse((await world.browser().signIn(eve.key)).includes("math.example"));
});

Deno.test("dashboard shows keys to admins alone", async () => {
  await using world = await openWorld();
  await world.key("acme", SCOPES, "of-the-boss");
  const plain = await world.key("acme", ["sessions"]);
  const page = await world.browser().signIn(plain.key);
  assertFalse(page.includes("of-the-boss"));
  assertFalse(page.includes(">Keys<"));
  const admin = await world.key("acme", ["sessions", "admin"]);
  assertStringIncludes(await world.browser().signIn(admin.key), "of-the-boss");
});

Deno.test("dashboard forgets who signs out, and whose key is revoked, within 30 seconds", async () => {
  await using world = await openWorld();
  const [one, two] = [await world.key("acme"), await world.key("acme")];
  const leaver = world.browser();
  const page = await leaver.signIn(one.key);
  const stolen = new Map(leaver.cookies);
  const out = await leaver.post("/dashboard/sign-out", { form_token: tokenOf(page) });
  assertEquals(out.status, 303);
  assertFalse(leaver.cookies.has("synth_dashboard"));
  const thief = world.browser();
  for (const [name, value] of stolen) thief.cookies.set(name, value);
  assertStringIncludes(await (await thief.get()).text(), "<h1>Sign in</h1>");
  assertEquals((await thief.get("/dashboard/events")).status, 401);

  const fired = world.browser();
  await fired.signIn(two.key);
  // Another process revokes it: this one learns when its cache runs out.
  await new KeyStore(world.documents, { clock: world.clock }).revoke("acme", two.keyId);
  await world.clock.tick(30_000);
  assertStringIncludes(await (await fired.get()).text(), "<h1>Sign in</h1>");

  const third = await world.key("acme");
  const sleeper = world.browser();
  await sleeper.signIn(third.key);
  await world.clock.tick(8 * 3_600_000);
  assertStringIncludes(await (await sleeper.get()).text(), "<h1>Sign in</h1>");
});

Deno.test("dashboard escapes every name, whatever it is, in the page and in the feed", async () => {
  await using world = await openWorld();
  const hostile = `<img src=x onerror=alert(1)>"'&\u202E</td></script><script>alert(2)</script>`;
  const { key } = await world.key("acme", SCOPES, hostile.slice(0, 90));
  const session = await openSession(world, key, {
    metadata: { title: hostile, prompt: "do not show what was asked" },
  });
  await world.ledger.openSession({
    org: "acme",
    user: `"><script>alert(3)</script>`,
    keyId: "key_x",
    makeActive: false,
    spec: {
      id: newSessionId(world.clock.now()),
      ttlMs: null,
      idleMs: null,
      limits: [],
      type: `<b>type</b>\r\ndata: x`,
      tracingSessionId: null,
      metadata: {},
    },
  });
  const lease = {
    leaseId: "lease_1",
    org: "acme",
    keyId: "key_x",
    sessionId: session,
  };
  await world.ledger.reserve({
    ...lease,
    user: "ann",
    session: { kind: "id", id: session },
    model: `<svg onload=alert(4)>`,
    priceVersion: "x",
    inputBound: 1,
    prefixes: [],
    outputWanted: 1,
    outputMin: 1,
    rates: [{ aboveInput: 0, input: 1n, output: 1n }],
    ttlMs: 1000,
  });
  await world.ledger.settle({
    lease,
    actual: { tokens: 2n, cost: 2n, gpu_time: 0n, api_calls: 1n },
    detail: {
      inputTokens: 1,
      cachedTokens: 0,
      outputTokens: 1,
      reasoningTokens: 0,
      estimated: false,
    },
    remember: [],
  });
  const browser = world.browser();
  const page = await browser.signIn(key);
  const harmless = (html: string): void => {
    for (const tag of ["<img", "<svg on", "<b>", 'alert(1)>"', "\u202e", "<script>"]) {
      assertFalse(html.toLowerCase().includes(tag), tag);
    }
    assertFalse(html.includes("do not show what was asked"));
  };
  harmless(page);
  assertStringIncludes(page, "&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;");
  assertStringIncludes(page, "&lt;svg onload=alert(4)&gt;");
  await feedUntil(world, await browser.get("/dashboard/events"), (event, data) => {
    if (event !== "sections") return false;
    for (const html of Object.values(JSON.parse(data))) harmless(String(html));
    return true;
  });
});

Deno.test("dashboard's pages load nothing from elsewhere and run nothing inline", async () => {
  await using world = await openWorld();
  const { key } = await world.key("acme");
  const browser = world.browser();
  await browser.signIn(key);
  for (const response of [await browser.get(), await world.browser().get()]) {
    const policy = response.headers.get("content-security-policy") ?? "";
    assertStringIncludes(policy, "default-src 'none'");
    assertStringIncludes(policy, "frame-ancestors 'none'");
    assertFalse(/unsafe|https?:|\*/.test(policy), policy);
    assertEquals(response.headers.get("cache-control"), "no-store");
    assertEquals(response.headers.get("referrer-policy"), "same-origin");
    const html = await response.text();
    assertFalse(/\son[a-z]+=|\sstyle=|<style|javascript:/i.test(html));
    for (const [, url] of html.matchAll(/(?:src|href|action)="([^"]*)"/g)) {
      assertMatch(url ?? "", /^(?:\/(?:dashboard|docs)|#main$)/);
    }
    for (const [, url] of html.matchAll(/(?:src|href)="(\/dashboard\/assets\/[^"]*)"/g)) {
      const asset = await browser.get(url);
      assertEquals(asset.status, 200);
      await asset.body?.cancel();
      const known = { "if-none-match": asset.headers.get("etag") ?? "" };
      assertEquals((await browser.get(url, known)).status, 304);
    }
  }
  assertEquals((await browser.get("/dashboard/assets/__proto__")).status, 404);
});

Deno.test("dashboard shows limits, overrun and status without a script", async () => {
  await using world = await openWorld();
  const { key } = await world.key("acme");
  const session = await openSession(world, key, {
    limits: [
      { limit_type: "hard", metric_type: "cost_usd", limit_value: "2.5" },
      { limit_type: "hard", metric_type: "gpu_hours", limit_value: "10" },
    ],
  });
  await world.call(key, `POST /api/v1/sessions/${session}/usage`, {
    cost_usd: 1,
    gpu_seconds: 3600,
  });
  await world.call(key, `POST /api/v1/sessions/${session}/leases`, { gpu_hours: 3 });
  const over = await openSession(world, key, {
    limits: [{ limit_type: "hard", metric_type: "tokens", limit_value: 1000 }],
  });
  await world.call(key, `POST /api/v1/sessions/${over}/usage`, { tokens: 1500 });
  await openSession(world, key, {
    limits: [{ limit_type: "hard", metric_type: "cost_usd", limit_value: "0" }],
  });
  const page = await world.browser().signIn(key);
  assertStringIncludes(page, 'aria-valuetext="$1.00 used of $2.50"');
  assertMatch(page, /aria-valuenow="100"[^>]*aria-valuetext="\$0\.00 used of \$0\.00"/);
  assertStringIncludes(page, 'aria-valuetext="1 h used, 3 h held of 10 h"');
  assertStringIncludes(page, 'aria-valuenow="40"');
  assertStringIncludes(page, "1,500 used of 1,000, 500 of it beyond what was held");
  assertStringIncludes(page, "Limit reached");
  assertStringIncludes(page, "<caption>3 open</caption>");
  assertMatch(page, /<th scope="row"[^>]*><bdi class="name">2026-11-22<\/bdi>/);
  const noscript = /<noscript>.*?<\/noscript>/s.exec(page)?.[0] ?? "";
  assertStringIncludes(noscript, '<a href="/dashboard">');
});

Deno.test("dashboard feed tells what changed, and ends with its sign-in and with the gateway", async () => {
  await using world = await openWorld();
  const { key } = await world.key("acme");
  const browser = world.browser();
  const page = await browser.signIn(key);
  const session = await openSession(world, key, { metadata: { title: "seen-live" } });
  await feedUntil(
    world,
    await browser.get("/dashboard/events"),
    (event, data) => event === "sections" && data.includes(session),
  );
  const second = await browser.get("/dashboard/events");
  await browser.post("/dashboard/sign-out", { form_token: tokenOf(page) });
  await feedUntil(world, second, (event) => event === "signed_out");
  await browser.signIn(key);
  const third = await browser.get("/dashboard/events");
  const all = third.text();
  await world.clock.tick(100);
  await world.gateway.drain(60_000);
  assertStringIncludes(await all, "event: sections");
  assertEquals(world.gateway.active, 0);
});

Deno.test("dashboard feed that is asked for with HEAD is over at once", async () => {
  await using world = await openWorld();
  const { key } = await world.key("acme");
  const browser = world.browser();
  await browser.signIn(key);
  const answer = await browser.head("/dashboard/events");
  assertEquals([answer.status, answer.body], [200, null]);
  assertEquals(world.gateway.active, 0);
});

Deno.test("dashboards of an org share their reads, and only so many are open", async () => {
  await using world = await openWorld();
  const { key } = await world.key("acme");
  const feeds: Response[] = [];
  for (let i = 0; i < 10; i++) {
    const browser = world.browser();
    await browser.signIn(key);
    for (let n = 0; n < 3; n++) feeds.push(await browser.get("/dashboard/events"));
  }
  world.reads.clear();
  const seconds = 20;
  for (let i = 0; i < seconds * 10; i++) await world.clock.tick(100);
  const asked = world.reads.get("listSessions") ?? 0;
  assert(asked >= seconds / 4 && asked <= seconds / 2 + 1, `${asked} reads in ${seconds} s`);
  const browser = world.browser();
  await browser.signIn(key);
  const statuses: number[] = [];
  for (let n = 0; n < 8; n++) {
    const response = await browser.get("/dashboard/events");
    statuses.push(response.status);
    if (response.status === 200) feeds.push(response);
  }
  assertEquals(statuses, [200, 200, 200, 200, 200, 200, 429, 429]);
  await Promise.all(feeds.map((feed) => feed.body?.cancel()));
  assertEquals(world.gateway.active, 0);
  assertEquals(
    await browser.get("/dashboard/events").then((it) => (feeds.push(it), it.status)),
    200,
  );
  await feeds.at(-1)?.body?.cancel();
});

Deno.test("dashboard says that the store is away, in the page and in the feed", async () => {
  await using world = await openWorld();
  const { key } = await world.key("acme");
  const browser = world.browser();
  await browser.signIn(key);
  await world.ledger.close();
  await world.clock.tick(2000);
  const page = await browser.get();
  assertEquals(page.status, 503);
  assertStringIncludes(await page.text(), "store_unavailable");
  await feedUntil(world, await browser.get("/dashboard/events"), (event) => event === "problem");
});

Deno.test("dashboard takes a cookie of the wrong shape, or two, for none", async () => {
  await using world = await openWorld();
  const { key } = await world.key("acme");
  const browser = world.browser();
  await browser.signIn(key);
  const token = browser.cookies.get("synth_dashboard") ?? "";
  for (
    const cookie of [
      "synth_dashboard=",
      "synth_dashboard=x",
      `synth_dashboard=${token}; synth_dashboard=${"A".repeat(43)}`,
      `synth_dashboard=${"A".repeat(43)}`,
      `synth_dashboard=${key}`,
      `x=${"y".repeat(5000)}; synth_dashboard=${token}`,
      `xsynth_dashboard=${token}`,
    ]
  ) {
    const html = await (await world.browser().get("/dashboard", { cookie })).text();
    assertStringIncludes(html, "<h1>Sign in</h1>", cookie);
  }
  const html = await (await world.browser().get("/dashboard", { "sec-fetch-site": "cross-site" }))
    .text();
  assertStringIncludes(html, 'http-equiv="refresh" content="0;url=/dashboard"');
});

Deno.test("dashboard says when more sessions are open than it shows", async () => {
  await using world = await openWorld();
  const { key } = await world.key("acme");
  const browser = world.browser();
  for (let n = 0; n < 151; n++) await openSession(world, key, { make_active: false });
  const page = await browser.signIn(key);
  assertStringIncludes(page, "<dd>150+");
  assertStringIncludes(page, "The newest 150 of those that are open");
  assertStringIncludes(page, "Older sessions: <code>synth session list</code>");
});
