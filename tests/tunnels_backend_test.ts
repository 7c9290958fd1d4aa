/** Managed tunnels: every step failing in every way, crashes, races, deletion; on every store. Cloudflare is a double on loopback. */
import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { SynthError } from "@synth/core";
import type { DocumentStore } from "@synth/core/storage";
import { CLOUDFLARE, type CloudflareFault } from "./support/cloudflare_double.ts";
import { startRedis } from "./support/redis_server.ts";
import { STORE_KINDS, type StoreKind } from "./support/stored_bench.ts";
import { type TunnelsBench, tunnelsBench } from "./support/tunnels_bench.ts";
import type { TunnelService } from "../gateway/tunnels/tunnel_service.ts";

const redis = await startRedis();
Deno.test.afterAll(async () => await redis[Symbol.asyncDispose]());

/** The requests that make a tunnel, in their order. */
const STEPS: readonly [string, RegExp][] = [
  ["tunnel", /^POST .*\/cfd_tunnel$/],
  ["ingress", /^PUT .*\/configurations$/],
  ["token", /^GET .*\/token$/],
  ["service token", /^POST .*\/service_tokens$/],
  ["policy", /^POST .*\/policies$/],
  ["application", /^POST .*\/apps$/],
  ["DNS record", /^POST .*\/dns_records$/],
];
const ALWAYS = 1000;
const SETTLED_MS = 121_000;

function on(
  criterion: string,
  test: (bench: TunnelsBench, kind: StoreKind) => Promise<void>,
  kinds: readonly StoreKind[] = STORE_KINDS,
): void {
  for (const kind of kinds) {
    Deno.test(`managed tunnels ${criterion} (${kind})`, async () => {
      await using bench = await tunnelsBench(kind, redis);
      await test(bench, kind);
    });
  }
}

async function codeOf(job: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => job, SynthError)).code;
}

/** What belongs to somebody else, and looks as if it could be ours. */
function addStrangers({ cloudflare, org }: TunnelsBench): string {
  const { state } = cloudflare;
  state.cfd_tunnel.set("t", { id: "t", name: "synth-tun_", deleted_at: null, connected: true });
  state["access/apps"].set("a", { id: "a", name: "synth", domain: "x.example.com", policies: [] });
  state["access/policies"].set("p", { id: "p", name: "synth-tun_0" });
  state["access/service_tokens"].set("s", { id: "s", name: "synth-tun_" });
  for (const name of [`www.${org}.example.com`, `mine.${org}.example.com.`]) {
    state.record.set(name, { id: name, name, type: "CNAME", comment: "synth-tun_" });
  }
  return JSON.stringify(Object.values(state).map((things) => [...things]));
}

function strangersOf({ cloudflare }: TunnelsBench): string {
  return JSON.stringify(Object.values(cloudflare.state).map((things) => [...things]));
}

on(
  "are made of a tunnel, its ingress, a token, a policy, an application and a name",
  async (bench) => {
    const { cloudflare, caller, org, documents, lines } = bench;
    const made = await bench.service().create(caller, bench.wanted("My App"));
    const { tunnel, credentials } = made;
    const hostname = `my-app.${org}.example.com`;
    assertEquals([tunnel.phase, tunnel.hostname, made.created], ["active", hostname, true]);
    const { state, requests } = cloudflare;
    const [remote] = [...state.cfd_tunnel.values()];
    assertEquals(remote?.["config_src"], "cloudflare");
    assertEquals(remote?.["config"], {
      ingress: [{ hostname, service: "http://127.0.0.1:8114" }, { service: "http_status:404" }],
    });
    const [token] = [...state["access/service_tokens"].values()];
    const [policy] = [...state["access/policies"].values()];
    const [app] = [...state["access/apps"].values()];
    const [record] = [...state.record.values()];
    assertEquals([token?.["duration"], policy?.["decision"]], ["8760h", "non_identity"]);
    assertEquals(policy?.["include"], [{ service_token: { token_id: token?.["id"] } }]);
    assertEquals([app?.["type"], app?.["domain"]], ["self_hosted", hostname]);
    assertEquals(app?.["policies"], [{ id: policy?.["id"], precedence: 1 }]);
    assertEquals(
      [record?.["type"], record?.["name"], record?.["content"], record?.["proxied"]],
      ["CNAME", hostname, `${remote?.["id"]}.cfargotunnel.com`, true],
    );
    assertEquals(credentials.clientSecret, token?.["client_secret"]);
    // The name is the last: nobody can call before Access stands in front of it.
    assertEquals(requests.map(({ line }) => STEPS.findIndex(([, step]) => step.test(line))), [
      0,
      1,
      2,
      3,
      4,
      5,
      6,
    ]);
    const stored = JSON.stringify((await documents.list(org, "tunnels")).documents);
    for (const secret of Object.values(credentials)) {
      assert(!stored.includes(secret) && !lines.join().includes(secret));
    }
    assertEquals(await bench.left(), ["tunnel active", "tunnel_names"]);
  },
);

on("can be run again on another day, by who made them and by admins", async (bench) => {
  const { caller } = bench;
  const service = bench.service();
  const { tunnel: { id }, credentials } = await service.create(caller, bench.wanted());
  assertEquals((await service.credentials(caller, id)).credentials, credentials);
  const other = { ...caller, user: "other" };
  assertEquals(await codeOf(service.credentials(other, id)), "not_tunnel_owner");
  assertEquals(await codeOf(service.rotate(other, id)), "not_tunnel_owner");
  assertEquals(await codeOf(service.delete(other, id)), "not_tunnel_owner");
  const admin = { ...other, admin: true };
  assertEquals((await service.credentials(admin, id)).credentials, credentials);
  const stranger = { ...admin, org: `${caller.org}b` };
  assertEquals(await codeOf(service.credentials(stranger, id)), "tunnel_not_found");
  assertEquals(await codeOf(service.delete(stranger, id)), "tunnel_not_found");
  assertEquals((await service.list(stranger.org, { limit: 10 })).tunnels, []);
});

on("get other credentials by a rotation, and none while it is half done", async (bench) => {
  const { caller, cloudflare } = bench;
  const service = bench.service();
  const { tunnel: { id }, credentials: old } = await service.create(caller, bench.wanted());
  const rotated = await service.rotate(caller, id);
  assertNotEquals(rotated.credentials.clientSecret, old.clientSecret);
  assertNotEquals(rotated.credentials.tunnelToken, old.tunnelToken);
  assertEquals(rotated.credentials.clientId, old.clientId);
  assertEquals(rotated.tunnel.accessExpiresAt, Date.parse("2031-01-01T00:00:00Z"));
  cloudflare.fail(/^PATCH/, "400");
  assertEquals(await codeOf(service.rotate(caller, id)), "tunnel_provider_refused");
  assertEquals(await codeOf(service.credentials(caller, id)), "tunnel_credentials_unavailable");
  const again = await service.rotate(caller, id);
  assertEquals((await service.credentials(caller, id)).credentials, again.credentials);
});

on("vanish whole when they are deleted, and deleting again is no error", async (bench) => {
  const { caller, cloudflare } = bench;
  const strangers = addStrangers(bench);
  const service = bench.service();
  const { tunnel: { id } } = await service.create(caller, bench.wanted("mine"));
  assertEquals(await service.delete(caller, id), true);
  assertEquals(strangersOf(bench), strangers);
  assertEquals(await bench.left(), []);
  assertEquals(await service.delete(caller, id), true);
  assertEquals(await codeOf(service.credentials(caller, id)), "tunnel_not_found");
  const { tunnel } = await service.create(caller, bench.wanted("mine"));
  assertMatch(tunnel.hostname, /^mine\./);
  assertEquals(cloudflare.size(), 11);
});

/** What each failure becomes, for a request that may not be sent again and for one that may. */
const FAILURES: readonly [CloudflareFault, string][] = [
  ["400", "tunnel_provider_refused"],
  ["403", "tunnel_provider_denied"],
  ["429", "tunnel_provider_busy"],
  ["500", "tunnel_provider_failed"],
  ["unsuccessful", "tunnel_provider_failed"],
  ["done_502", "tunnel_provider_failed"],
  ["done_garbage", "tunnel_provider_failed"],
  ["redirect", "tunnel_provider_refused"],
];

for (const [step, line] of STEPS) {
  on(`leave nothing behind when the ${step} fails in whatever way`, async (bench) => {
    const { caller, cloudflare, clock } = bench;
    const strangers = addStrangers(bench);
    const service = bench.service();
    for (const [fault, code] of FAILURES) {
      cloudflare.fail(line, fault, ALWAYS);
      const error = await assertRejects(
        () => service.create(caller, bench.wanted("mine")),
        SynthError,
        undefined,
        fault,
      );
      assertEquals(error.code, code, fault);
      assert(!JSON.stringify(error.toBody()).includes(CLOUDFLARE.token), fault);
      assertEquals(strangersOf(bench), strangers, fault);
      cloudflare.heal();
      // Also of those of which it was not known whether they were carried out.
      await clock.tick(SETTLED_MS);
      await service.sweep();
      assertEquals(await bench.left(), [], fault);
    }
    assert(!bench.lines.join().includes(CLOUDFLARE.token));
    const { tunnel } = await service.create(caller, bench.wanted("mine"));
    assertEquals(tunnel.phase, "active");
  }, ["SQLite", "Redis"]);
}

for (const fault of ["hang", "done_hang"] as const) {
  on(`leave nothing behind when a step never answers: ${fault}`, async (bench) => {
    const { caller, cloudflare, clock } = bench;
    const service = bench.service();
    for (const [step, line] of STEPS) {
      cloudflare.fail(line, fault);
      const hung = cloudflare.hung();
      const job = codeOf(service.create(caller, bench.wanted("mine")));
      await hung;
      await clock.tick(10_000);
      assertEquals(await job, "tunnel_provider_timeout", step);
      assertEquals(cloudflare.size(), 0, step);
      cloudflare.heal();
      await clock.tick(SETTLED_MS);
      await service.sweep();
      assertEquals(await bench.left(), [], step);
    }
  }, ["SQLite", "Redis"]);
}

on("remove what came to be after it had been looked for", async (bench) => {
  const { caller, cloudflare, clock } = bench;
  const service = bench.service();
  cloudflare.fail(/^POST .*\/apps$/, "500");
  assertEquals(
    await codeOf(service.create(caller, bench.wanted("mine"))),
    "tunnel_provider_failed",
  );
  assertEquals([cloudflare.size(), await bench.left()], [0, ["tunnel deleting", "tunnel_journal"]]);
  const [left] = (await service.list(bench.org, { limit: 1 })).tunnels;
  cloudflare.state["access/apps"].set("late", {
    id: "late",
    name: `synth-${left?.id}`,
    policies: [],
  });
  await service.sweep();
  assertEquals(cloudflare.size(), 1);
  await clock.tick(SETTLED_MS);
  await service.sweep();
  assertEquals([cloudflare.size(), await bench.left()], [0, []]);
});

on("try again what is safe to send again, and wait as they are told", async (bench) => {
  const { caller, cloudflare, clock } = bench;
  cloudflare.fail(/^POST .*\/cfd_tunnel$/, "429", 2);
  cloudflare.fail(/^PUT/, "500", 2);
  await bench.service().create(caller, bench.wanted());
  assertEquals(clock.slept.slice(0, 2), [1000, 1000]);
  assertEquals(cloudflare.state.cfd_tunnel.size, 1);
});

on("never ask for a part a second time when the first may have been made", async (bench) => {
  const { caller, cloudflare } = bench;
  for (const [step, line] of STEPS) {
    if (!line.source.startsWith("^POST")) continue;
    cloudflare.requests.length = 0;
    cloudflare.fail(line, "done_502");
    assertEquals(
      await codeOf(bench.service().create(caller, bench.wanted())),
      "tunnel_provider_failed",
      step,
    );
    assertEquals(cloudflare.requests.filter((one) => line.test(one.line)).length, 1, step);
  }
}, ["SQLite"]);

on(
  "belong to one at a time: who slept too long takes back what it made, and is told",
  async (bench) => {
    const { caller, cloudflare, clock } = bench;
    for (const [step, line] of STEPS) {
      const sleeper = bench.service({
        fetch: async (input, init) => {
          if (line.test(`${init?.method} ${new URL(String(input)).pathname}`)) {
            // A machine that was asleep: the time of day went on, its own clock did not.
            clock.jump(clock.now() + 88_000);
            await bench.service().sweep();
          }
          return await fetch(input, init);
        },
      });
      const code = await codeOf(sleeper.create(caller, bench.wanted("mine")));
      assert(["tunnel_interrupted", "tunnel_provider_refused"].includes(code), `${step}: ${code}`);
      assertEquals(cloudflare.size(), 0, step);
      clock.jump(clock.now() + 700_000);
      await bench.service().sweep();
      assertEquals(await bench.left(), [], step);
    }
  },
);

on(
  "remember what could not be removed, keep its name, and remove it with the next call of whoever comes",
  async (bench) => {
    const { caller, cloudflare, clock, org } = bench;
    const service = bench.service();
    const { tunnel: { id } } = await service.create(caller, bench.wanted("mine"));
    for (const step of ["dns_records", "apps", "policies", "service_tokens", "cfd_tunnel"]) {
      cloudflare.fail(new RegExp(`^DELETE .*/${step}/[^/]+$`), "500", ALWAYS);
    }
    assertEquals(await service.delete(caller, id), false);
    assertEquals(cloudflare.size(), 5);
    assertEquals((await service.list(org, { limit: 10, phase: "active" })).tunnels, []);
    assertEquals(await codeOf(service.credentials(caller, id)), "tunnel_not_active");
    assertEquals(await codeOf(service.create(caller, bench.wanted("mine"))), "subdomain_taken");
    cloudflare.heal();
    // The record alone cannot be removed: then the application stays in front of it.
    cloudflare.fail(/^DELETE .*dns_records/, "403", ALWAYS);
    assertEquals(await service.delete(caller, id), false);
    assertEquals([cloudflare.state.record.size, cloudflare.state["access/apps"].size], [1, 1]);
    cloudflare.heal();
    await service.sweep();
    assertEquals(cloudflare.size() > 0, true, "not before its time");
    await clock.tick(31_000);
    // Another org's call, in another process.
    await bench.service().sweep();
    assertEquals([cloudflare.size(), await bench.left()], [0, []]);
    assertEquals(await service.delete(caller, id), true);
  },
);

/** When a process dies: before its n-th write, or when its n-th request was carried out and not answered. */
interface Death {
  readonly writes?: number;
  readonly requests?: number;
}

/** A service whose process dies: from then on nothing it sends arrives anywhere. */
function mortal({ documents: inner, service }: TunnelsBench, death: Death): TunnelService {
  let dead = false;
  let writes = death.writes ?? Infinity;
  let requests = death.requests ?? Infinity;
  const gone = (): SynthError => new SynthError("gone", { code: "store_unavailable", status: 503 });
  const read = <T>(job: () => Promise<T>): Promise<T> => dead ? Promise.reject(gone()) : job();
  const write = <T>(job: () => Promise<T>): Promise<T> => {
    if (writes-- <= 0) dead = true;
    return read(job);
  };
  const documents: DocumentStore = {
    get: (...args) => read(() => inner.get(...args)),
    getMany: (...args) => read(() => inner.getMany(...args)),
    list: (...args) => read(() => inner.list(...args)),
    count: (...args) => read(() => inner.count(...args)),
    put: (...args) => write(() => inner.put(...args)),
    delete: (...args) => write(() => inner.delete(...args)),
  };
  return service({
    documents,
    fetch: async (...args) => {
      if (dead) throw new TypeError("dead");
      const answer = await fetch(...args);
      if (--requests > 0) return answer;
      dead = true;
      await answer.body?.cancel();
      throw new TypeError("dead");
    },
  });
}

on("leave nothing behind wherever their process dies", async (bench) => {
  const { caller, clock, cloudflare } = bench;
  const strangers = addStrangers(bench);
  const deaths: Death[] = [
    ...Array.from({ length: 11 }, (_, writes) => ({ writes })),
    ...STEPS.map((_, n) => ({ requests: n + 1 })),
  ];
  const left: number[] = [];
  for (const death of deaths) {
    const about = JSON.stringify(death);
    const failed = await mortal(bench, death).create(caller, bench.wanted("mine")).then(
      () => false,
      () => true,
    );
    left.push(cloudflare.size() - 6);
    const survivor = bench.service();
    // Not before it is sure that nobody works on it any more.
    await survivor.sweep();
    if (failed) {
      assertEquals(cloudflare.size() - 6, left.at(-1), about);
    } else {
      const [made] = (await survivor.list(bench.org, { limit: 1 })).tunnels;
      await survivor.delete(caller, made?.id ?? "");
    }
    await clock.tick(88_000);
    await survivor.sweep();
    assertEquals(strangersOf(bench), strangers, about);
    await clock.tick(601_000);
    await survivor.sweep();
    assertEquals(await bench.left(), [], about);
  }
  // Every number of parts was left behind by some.
  assertEquals([...new Set(left)].sort(), [0, 1, 2, 3, 4, 5]);
});

on(
  "let one of many have a name, and tell the others no more than that it is taken",
  async (bench) => {
    const { caller, org } = bench;
    const other = { ...caller, org: `${org}b` };
    const service = bench.service();
    const jobs = [caller, other, caller, other].map((one) =>
      service.create(one, bench.wanted("Mine!")).then(
        ({ tunnel }) => tunnel,
        (error: SynthError) => error,
      )
    );
    const results = await Promise.all(jobs);
    const made = results.filter((one) => !(one instanceof SynthError));
    assertEquals(made.length, 1);
    for (const one of results) {
      if (!(one instanceof SynthError)) continue;
      assertEquals([one.code, one.status], ["subdomain_taken", 409]);
    }
    const [first] = made as { org: string; id: string }[];
    const loser = first?.org === org ? other : caller;
    const error = await assertRejects(
      () => service.create(loser, bench.wanted("mine")),
      SynthError,
    );
    assertEquals(error.details, {});
    assertEquals(bench.cloudflare.size(), 5);
    assertEquals(await service.delete({ ...caller, org: first?.org ?? "" }, first?.id ?? ""), true);
    await service.create(loser, bench.wanted("mine"));
  },
);

on("get a random name where the usual one is taken, here or in the zone", async (bench) => {
  const { caller, org, cloudflare } = bench;
  const service = bench.service();
  const names: string[] = [];
  for (const wish of [null, "tunnel-8114", null]) {
    names.push((await service.create(caller, bench.wanted(wish))).tunnel.hostname);
  }
  assertEquals(names[0], `tunnel-8114.${org}.example.com`);
  for (const name of names.slice(1)) assertMatch(name, /^cust-[0-9a-f]{12}\./);
  assertEquals(new Set(names).size, 3);
  const taken = { id: "theirs", name: `shop.${org}.example.com`, type: "A" };
  cloudflare.state.record.set("theirs", taken);
  const wish = bench.wanted("shop");
  assertEquals(await codeOf(service.create(caller, wish)), "subdomain_taken");
  assertEquals(cloudflare.state.record.get("theirs"), taken);
  assertEquals(cloudflare.size(), 16);
  assertEquals(await codeOf(service.create(caller, bench.wanted("WWW"))), "subdomain_taken");
});

on("are at most so many for each org, however many are asked for at once", async (bench) => {
  const { caller, org } = bench;
  const service = bench.service({ maxPerOrg: 2 });
  const codes = await Promise.all(
    Array.from(
      { length: 6 },
      () => service.create(caller, bench.wanted()).then(() => "made", ({ code }) => code),
    ),
  );
  assert(codes.filter((code) => code === "made").length <= 2, codes.join());
  assert(codes.every((code) => code === "made" || code === "too_many_tunnels"), codes.join());
  for (let made = codes.filter((code) => code === "made").length; made < 2; made++) {
    await service.create(caller, bench.wanted());
  }
  assertEquals(await codeOf(service.create(caller, bench.wanted())), "too_many_tunnels");
  await service.create({ ...caller, org: `${org}b` }, bench.wanted());
  const [one] = (await service.list(org, { limit: 1 })).tunnels;
  await service.delete(caller, one?.id ?? "");
  await service.create(caller, bench.wanted());
  assertEquals(bench.cloudflare.state.cfd_tunnel.size, 3);
});

on("are made once by a request that comes again", async (bench) => {
  const { caller, cloudflare } = bench;
  const service = bench.service();
  const request = { key: "k1", fingerprint: "f1" };
  cloudflare.fail(/^POST .*\/apps$/, "400");
  assertEquals(
    await codeOf(service.create(caller, bench.wanted("mine", { request }))),
    "tunnel_provider_refused",
  );
  const [a, b] = await Promise.allSettled([
    service.create(caller, bench.wanted("mine", { request })),
    service.create(caller, bench.wanted("mine", { request })),
  ]);
  const outcomes = [a, b].map((one) => one.status === "fulfilled" ? "made" : one.reason.code);
  assert(outcomes.includes("made"), outcomes.join());
  assert(outcomes.every((one) => one === "made" || one === "tunnel_in_progress"), outcomes.join());
  const again = await service.create(caller, bench.wanted("mine", { request }));
  assertEquals(again.created, false);
  assertEquals(cloudflare.size(), 5);
  const other = { key: "k1", fingerprint: "f2" };
  assertEquals(
    await codeOf(service.create(caller, bench.wanted("x", { request: other }))),
    "idempotency_conflict",
  );
  assertEquals((await service.list(bench.org, { limit: 10 })).tunnels.length, 1);
});

on("show nothing of credentials that other seal keys sealed", async (bench) => {
  const { caller, documents, org } = bench;
  const service = bench.service();
  const { tunnel: { id } } = await service.create(caller, bench.wanted());
  const stored = await documents.get(org, "tunnels", id);
  const value = stored?.value as { credentials: string };
  await documents.put(org, "tunnels", id, { ...value, credentials: "gwr1.other.AAAA" });
  assertEquals(await codeOf(service.credentials(caller, id)), "tunnel_credentials_unavailable");
});
