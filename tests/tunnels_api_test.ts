/** Managed tunnels over HTTP: what is asked for, by whom, and what is told; and that our requests are those of Cloudflare's own client. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type Scope, SCOPES } from "@synth/core/auth";
import { SynthError } from "@synth/core";
import { SynthClient } from "@synth/core/api";
import { configSchema } from "@synth/core/config";
import { createClient } from "cloudflare/tree-shakable";
import { BaseRecords } from "cloudflare/resources/dns/records";
import { BaseApplications } from "cloudflare/resources/zero-trust/access/applications/applications";
import { BasePolicies } from "cloudflare/resources/zero-trust/access/policies";
import { BaseServiceTokens } from "cloudflare/resources/zero-trust/access/service-tokens";
import { BaseCloudflared } from "cloudflare/resources/zero-trust/tunnels/cloudflared/cloudflared";
import { BaseConfigurations } from "cloudflare/resources/zero-trust/tunnels/cloudflared/configurations";
import { BaseConnections } from "cloudflare/resources/zero-trust/tunnels/cloudflared/connections";
import { BaseToken } from "cloudflare/resources/zero-trust/tunnels/cloudflared/token";
import { CloudflareProvider } from "../gateway/tunnels/cloudflare_provider.ts";
import { PARTS } from "../gateway/tunnels/provider.ts";
import { TimeBudget } from "../gateway/tunnels/time_budget.ts";
import { CLOUDFLARE, type CloudflareDouble, startCloudflare } from "./support/cloudflare_double.ts";
import { type FullGateway, startFullGateway } from "./support/full_gateway.ts";
import { ImpatientClock } from "./support/test_gateway.ts";

const LIST = "/api/v1/tunnels/";

interface Bench extends AsyncDisposable {
  readonly it: FullGateway;
  readonly cloudflare: CloudflareDouble;
  /** A client of an org. */
  client(org: string, scopes?: readonly Scope[]): Promise<SynthClient>;
}

async function open(token: string | undefined = CLOUDFLARE.token): Promise<Bench> {
  await using stack = new AsyncDisposableStack();
  const cloudflare = stack.use(startCloudflare());
  const config = configSchema.parse({
    tunnels: {
      domain: CLOUDFLARE.domain,
      account_id: CLOUDFLARE.account,
      zone_id: CLOUDFLARE.zone,
      api_token_env: "CF_TOKEN",
      api_url: cloudflare.url,
    },
  });
  const secrets = { env: (name: string) => name === "CF_TOKEN" ? token : undefined };
  const it = stack.use(await startFullGateway({ config, secrets }));
  const kept = stack.move();
  return {
    it,
    cloudflare,
    async client(org, scopes = ["infer", "sessions"]) {
      const { key } = await it.key(org, scopes);
      const send = (input: string | URL | Request, init?: RequestInit): Promise<Response> =>
        it.gateway.fetch(new Request(input, init));
      return new SynthClient({
        baseUrl: "http://127.0.0.1",
        apiKey: key,
        fetch: send as typeof fetch,
      });
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function errorOf(job: Promise<unknown>): Promise<[number, string, string | null]> {
  const { status, code, param } = await assertRejects(() => job, SynthError);
  return [status, code, param];
}

Deno.test("/api/v1/tunnels/ makes, lists, gives again, rotates and deletes", async () => {
  await using bench = await open();
  const { it, cloudflare } = bench;
  const { tunnels } = await bench.client("org-a");
  const made = await tunnels.create({ local_port: 8114, subdomain: "Math Tasks" });
  const { tunnel_token, access_client_id, access_client_secret, ...shown } = made;
  assertMatch(made.id, /^tun_[0-9a-v]{32}$/);
  assertEquals(shown.public_url, `https://math-tasks.${CLOUDFLARE.domain}`);
  assertEquals(
    [shown.subdomain, shown.org_id, shown.user_id, shown.status, shown.local_host],
    ["math-tasks", "org-a", "ann", "active", "127.0.0.1"],
  );
  assertEquals(shown.access_expires_at, "2030-01-01T00:00:00.000Z");
  assertEquals(await tunnels.list(), [shown]);
  assertEquals(await tunnels.list({ status: "deleting" }), []);
  assertEquals(await tunnels.get(made.id), shown);
  assertEquals(await tunnels.credentials(made.id), made);
  const rotated = await tunnels.rotate(made.id);
  assert(rotated.tunnel_token !== tunnel_token);
  assert(rotated.access_client_secret !== access_client_secret);
  assertEquals(rotated.access_client_id, access_client_id);
  assertEquals(await tunnels.delete(made.id), { id: made.id, status: "deleted" });
  assertEquals(await tunnels.delete(made.id), { id: made.id, status: "deleted" });
  assertEquals([cloudflare.size(), await tunnels.list({ status: "all" })], [0, []]);
  await it.gateway.drain(0);
  const log = it.lines.join("\n");
  for (const secret of [tunnel_token, access_client_secret, CLOUDFLARE.token]) {
    assert(!log.includes(secret));
  }
  assert(log.includes(made.id));
});

Deno.test("/api/v1/tunnels/ answers with and without the slash, as the original's clients need it", async () => {
  await using bench = await open();
  const { it } = bench;
  const { key } = await it.key("org-a", ["sessions"]);
  const headers = { authorization: `Bearer ${key}` };
  for (const slash of ["", "/"]) {
    const body = { subdomain: "tunnel-8000", local_port: 8000, local_host: "127.0.0.1" };
    const made = await it.send(`POST /api/v1/tunnels${slash}`, body, headers);
    assertEquals(made.status, 201);
    const { id, hostname } = await made.json();
    assertEquals(made.headers.get("cache-control"), "no-store");
    const list = await (await it.send(`GET /api/v1/tunnels${slash}`, undefined, headers)).json();
    assertEquals(list.map((one: { hostname: string }) => one.hostname), [hostname]);
    const path = `/api/v1/tunnels/${id}`;
    for (
      const line of [
        `GET ${path}${slash}`,
        `GET ${path}/token${slash}`,
        `POST ${path}/rotate${slash}`,
        `DELETE ${path}${slash}`,
      ]
    ) {
      assertEquals((await it.send(line, undefined, headers)).status, 200, line);
    }
  }
});

Deno.test("/api/v1/tunnels/ refuses what no tunnel can be made of", async () => {
  await using bench = await open();
  const { tunnels } = await bench.client("org-a");
  const bad = async (request: Record<string, unknown>): Promise<[number, string, string | null]> =>
    await errorOf(tunnels.create({ local_port: 8114, ...request }));
  for (const local_port of [0, 65_536, 1.5, "80", null]) {
    const [status, , param] = await bad({ local_port });
    assertEquals([status, param], [400, "local_port"]);
  }
  for (
    const local_host of [
      "0.0.0.0",
      "10.0.0.1",
      "metadata.google.internal",
      "127.0.0.1.example.com",
      "127.0.0.256",
      "127.1",
      "[::]",
      "127.0.0.1@10.0.0.1",
      "127.0.0.1:22",
      "",
    ]
  ) {
    assertEquals(await bad({ local_host }), [400, "invalid_local_host", "local_host"], local_host);
  }
  for (const subdomain of ["", "---", "é", "🎉"]) {
    assertEquals(await bad({ subdomain }), [400, "invalid_subdomain", "subdomain"], subdomain);
  }
  assertEquals((await bad({ tunnel_token: "x" }))[0], 400);
  assertEquals(bench.cloudflare.requests.length, 0);
  const made = await tunnels.create({
    local_port: 1,
    local_host: "[::1]",
    subdomain: `${"-a_B.".repeat(40)}`,
  });
  assertEquals(made.local_host, "::1");
  assertMatch(made.subdomain, /^[a-z0-9](?:[a-z0-9]|-(?!-)){0,61}[a-z0-9]$/);
  const [remote] = [...bench.cloudflare.state.cfd_tunnel.values()];
  assert(JSON.stringify(remote?.["config"]).includes('"http://[::1]:1"'));
  const whole = `shop.${CLOUDFLARE.domain}`;
  assertEquals((await tunnels.create({ local_port: 1, subdomain: whole })).hostname, whole);
});

Deno.test("/api/v1/tunnels/ shows and gives nothing to other orgs, users and scopes", async () => {
  await using bench = await open();
  const { it } = bench;
  const { tunnels } = await bench.client("org-a");
  const { id } = await tunnels.create({ local_port: 8114, subdomain: "mine" });
  const other = await bench.client("org-b", SCOPES);
  assertEquals(await other.tunnels.list({ status: "all" }), []);
  const verbs = ["get", "credentials", "rotate", "delete"] as const;
  for (const verb of verbs) {
    assertEquals(await errorOf(other.tunnels[verb](id)), [404, "tunnel_not_found", null], verb);
    assertEquals((await errorOf(tunnels[verb]("tun_x")))[1], "tunnel_not_found", verb);
  }
  assertEquals(
    await errorOf(other.tunnels.create({ local_port: 1, subdomain: "mine" })),
    [409, "subdomain_taken", "subdomain"],
  );
  const infer = await bench.client("org-a", ["infer"]);
  assertEquals((await errorOf(infer.tunnels.list()))[1], "insufficient_scope");
  const { key } = await it.keys.create({ org: "org-a", user: "bob", scopes: ["sessions"] });
  const answer = await it.send(`GET ${LIST}${id}/token`, undefined, {
    authorization: `Bearer ${key}`,
  });
  assertEquals([answer.status, (await answer.json()).error.code], [403, "not_tunnel_owner"]);
});

Deno.test("/api/v1/tunnels/ carries a request with an Idempotency-Key out once", async () => {
  await using bench = await open();
  const { tunnels } = await bench.client("org-a");
  const options = { idempotencyKey: "one" };
  const first = await tunnels.create({ local_port: 8114 }, options);
  assertEquals(await tunnels.create({ local_port: 8114 }, options), first);
  assertEquals(
    await errorOf(tunnels.create({ local_port: 8115 }, options)),
    [409, "idempotency_conflict", "Idempotency-Key"],
  );
  assertEquals(bench.cloudflare.size(), 5);
  // Another org's key of the same name is another key.
  const other = await bench.client("org-b");
  await other.tunnels.create({ local_port: 8115 }, options);
  assertEquals(bench.cloudflare.size(), 10);
});

Deno.test("/api/v1/tunnels/ says that there are none where nothing is configured", async () => {
  await using it = await startFullGateway();
  const { key } = await it.key("org-a");
  const answer = await it.send(`POST ${LIST}`, { local_port: 1 }, {
    authorization: `Bearer ${key}`,
  });
  assertEquals([answer.status, (await answer.json()).error.code], [501, "tunnels_not_configured"]);
  await using bench = await open("");
  const { tunnels } = await bench.client("org-a");
  assertEquals((await errorOf(tunnels.list()))[1], "tunnels_not_configured");
});

Deno.test("/api/v1/tunnels/ tells a wrong API token from a failure, and shows it to nobody", async () => {
  await using bench = await open("a-wrong-token-0123456789");
  const { tunnels } = await bench.client("org-a");
  const error = await assertRejects(() => tunnels.create({ local_port: 1 }), SynthError);
  assertEquals([error.status, error.code], [502, "tunnel_provider_denied"]);
  assertEquals(error.details["provider_codes"], [10000]);
  assert(!(bench.it.lines.join() + JSON.stringify(error)).includes("a-wrong-token"));
});

Deno.test("requests to Cloudflare are those of Cloudflare's own client", async () => {
  await using cloudflare = startCloudflare();
  const { account: accountId, zone: zoneId, token: apiToken } = CLOUDFLARE;
  using budget = new TimeBudget(new ImpatientClock(), 60_000, () => new Error("late"));
  const provider = new CloudflareProvider({
    accountId,
    zoneId,
    apiToken,
    apiUrl: cloudflare.url,
    fetch,
    budget,
    random: () => 0,
  });
  const plan = { name: "synth-x", hostname: "x.example.com", service: "http://127.0.0.1:1" };
  const tunnel = await provider.createTunnel(plan);
  await provider.configureTunnel(tunnel, plan);
  await provider.tunnelToken(tunnel);
  const { id: serviceToken } = await provider.createServiceToken(plan);
  const policy = await provider.createPolicy(plan, serviceToken);
  const application = await provider.createApplication(plan, policy);
  const record = await provider.createRecord(plan, tunnel);
  for (const part of PARTS) await provider.find(part, plan);
  await provider.rotateServiceToken(serviceToken);
  await provider.remove("record", record);
  await provider.remove("application", application);
  await provider.remove("policy", policy);
  await provider.remove("service_token", serviceToken);
  await provider.remove("tunnel", tunnel);
  const ours = cloudflare.requests.splice(0);
  assertEquals(cloudflare.size(), 0);

  const theirs = createClient({
    apiToken,
    apiKey: null,
    apiEmail: null,
    userServiceKey: null,
    baseURL: cloudflare.url,
    maxRetries: 0,
    resources: [
      BaseCloudflared,
      BaseConfigurations,
      BaseConnections,
      BaseToken,
      BaseServiceTokens,
      BasePolicies,
      BaseApplications,
      BaseRecords,
    ],
  });
  const { zeroTrust: { access, tunnels: { cloudflared } }, dns } = theirs;
  const at = { account_id: accountId };
  const page = { page: 1, per_page: 100 };
  const made = new Map<string, string>();
  const note = (part: string, it: { id?: string }): string => {
    made.set(it.id ?? "", part);
    return it.id ?? "";
  };
  const t = note(
    "tunnel",
    await cloudflared.create({ ...at, name: plan.name, config_src: "cloudflare" }),
  );
  const last = { service: "http_status:404" } as { hostname: string; service: string };
  const rule = { hostname: plan.hostname, service: plan.service };
  await cloudflared.configurations.update(t, { ...at, config: { ingress: [rule, last] } });
  await cloudflared.token.get(t, at);
  const s = note(
    "token",
    await access.serviceTokens.create({ ...at, name: plan.name, duration: "8760h" }),
  );
  const include = [{ service_token: { token_id: s } }];
  const p = note(
    "policy",
    await access.policies.create({ ...at, name: plan.name, decision: "non_identity", include }),
  );
  const a = note(
    "app",
    await access.applications.create({
      ...at,
      type: "self_hosted",
      name: plan.name,
      domain: plan.hostname,
      app_launcher_visible: false,
      service_auth_401_redirect: true,
      policies: [{ id: p, precedence: 1 }],
    }) as { id?: string },
  );
  const zone = { zone_id: zoneId };
  const r = note(
    "record",
    await dns.records.create({
      ...zone,
      type: "CNAME",
      name: plan.hostname,
      content: `${t}.cfargotunnel.com`,
      proxied: true,
      ttl: 1,
      comment: plan.name,
    }) as { id?: string },
  );
  await cloudflared.list({ ...at, ...page, name: plan.name, is_deleted: false });
  await access.serviceTokens.list({ ...at, ...page, name: plan.name });
  await access.policies.list({ ...at, ...page });
  await access.applications.list({ ...at, ...page, name: plan.name, exact: true });
  await dns.records.list({ ...zone, ...page, name: { exact: plan.hostname }, type: "CNAME" });
  await access.serviceTokens.rotate(s, at);
  await access.serviceTokens.refresh(s, at);
  await dns.records.delete(r, zone);
  await access.applications.delete(a, at);
  await access.policies.delete(p, at);
  await access.serviceTokens.delete(s, at);
  await cloudflared.connections.delete(t, at);
  await cloudflared.delete(t, at);

  for (const [id, part] of [[tunnel, "tunnel"], [serviceToken, "token"], [policy, "policy"]]) {
    made.set(id ?? "", part ?? "");
  }
  made.set(application, "app").set(record, "record");
  const plain = (requests: typeof ours): unknown =>
    JSON.parse(
      JSON.stringify(requests.map(({ line, query, body }) => [line, query, body ?? {}])).replace(
        /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g,
        (id) => made.get(id) ?? id,
      ),
    );
  assertEquals(plain(ours), plain(cloudflare.requests));
});
