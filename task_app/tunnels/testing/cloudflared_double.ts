/**
 * Stands for `cloudflared` at the process boundary: its command line, its metrics server, its log, its pidfile, its signals. It keeps a connection
 * to the edge of the tests (`edge_double.ts`), which knows the tunnel as long as that lives. Imports nothing: it is run without a configuration.
 *
 *     cloudflared_double.ts SETUP ARGS...
 *
 * SETUP is JSON: `{edge, spy, scripts}`. Each start takes the next script, the last one again and again:
 * `ok`, `429`, `die`, `hang` (nothing at all), `nameless` (metrics, no name), `unconnected`, `die-named`, `die-connected`, `flood`, `stubborn`
 * (ignores SIGTERM), `foreign-name`, `busy` (its port is taken), `version-hangs`, `version-fails`.
 *
 * @module
 */

interface Setup {
  readonly edge: string;
  /** A file that each start adds a line of JSON to: arguments and environment. */
  readonly spy: string;
  readonly scripts: readonly string[];
}

const setup: Setup = JSON.parse(Deno.args[0] ?? "{}");
const args = Deno.args.slice(1);
const bytes = new TextEncoder();

if (args[0] === "--version") await version();
else await tunnel();

async function version(): Promise<void> {
  if (setup.scripts[0] === "version-hangs") await forever();
  if (setup.scripts[0] === "version-fails") Deno.exit(2);
  write(Deno.stdout, "cloudflared version 2026.8.0 (built 2026-08-20-1200 UTC)\n");
}

async function tunnel(): Promise<void> {
  const script = await nextScript();
  Deno.addSignalListener("SIGTERM", () => {
    if (script === "stubborn") return;
    log("info", "Initiating graceful shutdown due to signal terminated ...");
    Deno.exit(0);
  });
  if (script === "hang") await forever();
  log("info", "Thank you for trying Cloudflare Tunnel.");
  if (script === "429") {
    log("error", "Error unmarshaling QuickTunnel response: error code: 1015", {
      status_code: "429 Too Many Requests",
      error: "invalid character 'e' looking for beginning of value",
    });
    write(Deno.stderr, "failed to unmarshal quick Tunnel: invalid character 'e'");
    Deno.exit(1);
  }
  if (script === "die") {
    log(
      "error",
      "failed to request quick Tunnel: dial tcp: lookup api.trycloudflare.com: no such host",
    );
    Deno.exit(1);
  }
  if (script === "busy") {
    log("error", "Error opening metrics server listener: bind: address already in use");
    Deno.exit(1);
  }
  const named = option("--url");
  const quick = named !== null;
  const token = Deno.env.get("TUNNEL_TOKEN");
  if (!quick && (!args.includes("run") || token === undefined)) {
    log("error", '"cloudflared tunnel run" requires the ID or name of the tunnel to run');
    Deno.exit(255);
  }
  const name = script === "foreign-name"
    ? "evil.example.com"
    : `words-of-the-tests-${crypto.randomUUID().slice(0, 8)}.trycloudflare.com`;
  const hostname = quick && script !== "nameless" ? name : "";
  let connections = 0;
  const [host = "", port = ""] = (option("--metrics") ?? "").split(":");
  Deno.serve({ hostname: host, port: Number(port), onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/quicktunnel") return Response.json({ hostname });
    if (pathname === "/healthcheck") return new Response("OK\n");
    if (pathname === "/config") return Response.json({ version: 0, config: { ingress: [] } });
    if (pathname !== "/ready") return new Response(null, { status: 404 });
    const status = connections > 0 ? 200 : 503;
    const connectorId = "9c1c7a3e-0000-4000-8000-000000000000";
    return Response.json({ status, readyConnections: connections, connectorId }, { status });
  });
  if (quick) box(hostname);
  if (script === "flood") {
    for (let i = 0; i < 2000; i++) log("debug", `${i} ${"noise ".repeat(200)}`);
  }
  if (script === "die-named") {
    // Once somebody has seen the name.
    const seen = await fetch(`http://${host}:${port}/quicktunnel`);
    await seen.body?.cancel();
    log("fatal", "the connection to the edge was lost for good");
    Deno.exit(7);
  }
  if (script === "unconnected" || script === "nameless") await forever();
  const connected = await fetch(`${setup.edge}/connect`, {
    method: "POST",
    body: JSON.stringify(quick ? { hostname, origin: named } : { token }),
  });
  if (!connected.ok) {
    await connected.body?.cancel();
    log("error", "Register tunnel error from server side", {
      error: "Unauthorized: Invalid tunnel secret",
    });
    Deno.exit(1);
  }
  connections = quick ? 1 : 4;
  log("info", "Registered tunnel connection", { connIndex: 0, location: "tst01" });
  await Deno.writeTextFile(option("--pidfile") ?? "/dev/null", String(Deno.pid));
  // Until the edge goes, or says that it is enough.
  const reader = connected.body?.getReader();
  const told = await reader?.read();
  if (script === "die-connected" && told?.value !== undefined) {
    log("fatal", "the edge told it to go");
    Deno.exit(9);
  }
  connections = 0;
  await forever();
}

async function nextScript(): Promise<string> {
  const env = Object.fromEntries(Object.entries(Deno.env.toObject()));
  const line = `${JSON.stringify({ pid: Deno.pid, args, env })}\n`;
  await Deno.writeTextFile(setup.spy, line, { append: true });
  const starts = (await Deno.readTextFile(setup.spy)).trim().split("\n").length;
  return setup.scripts[Math.min(starts, setup.scripts.length) - 1] ?? "ok";
}

function option(name: string): string | null {
  const at = args.indexOf(name);
  return at < 0 ? null : args[at + 1] ?? null;
}

/** A line of zerolog, in the pieces in which it may arrive. */
function log(level: string, message: string, fields: Record<string, unknown> = {}): void {
  const line = JSON.stringify({ level, time: new Date().toISOString(), ...fields, message });
  const cut = Math.floor(line.length / 3);
  for (const piece of [line.slice(0, cut), line.slice(cut, -1), `${line.slice(-1)}\n`]) {
    write(Deno.stderr, piece);
  }
}

function box(hostname: string): void {
  log("info", "+---------------------------------------------------------+");
  log("info", "|  Your quick Tunnel has been created! Visit it at        |");
  log("info", `|  https://${hostname}  |`);
  log("info", "+---------------------------------------------------------+");
}

function write(stream: { writeSync(data: Uint8Array): number }, text: string): void {
  const data = bytes.encode(text);
  for (let at = 0; at < data.length;) at += stream.writeSync(data.subarray(at));
}

/** What has nothing to wait for would end. */
function forever(): Promise<never> {
  return new Promise(() => setInterval(() => {}, 3_600_000));
}
