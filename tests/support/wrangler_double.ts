/**
 * Stands for `wrangler` at the process boundary: `deploy` runs the uploaded module behind the edge of the tests, with the secrets that `secret bulk`
 * was given over standard input; `delete` ends it. Imports nothing: it is run without a configuration.
 *
 *     wrangler_double.ts SETUP ARGS...
 *
 * @module
 */

interface Setup {
  readonly edge: string;
  readonly state: string;
  readonly fail: string | null;
}

const setup: Setup = JSON.parse(Deno.args[0] ?? "{}");
const args = Deno.args.slice(1);
const text = (path: string) => Deno.readTextFile(`${setup.state}/${path}`);

if (args[0] === "_serve") await serve(args[1] ?? "", args[2] ?? "");
else await command();

async function command(): Promise<void> {
  const line = JSON.stringify({ args, env: Deno.env.toObject() });
  await Deno.writeTextFile(`${setup.state}/calls.jsonl`, `${line}\n`, { append: true });
  if (args[0] === setup.fail) {
    say("✘ [ERROR] A request to the Cloudflare API failed.");
    Deno.exit(1);
  }
  if (args[0] === "deploy") return await deploy(option("--config"));
  if (args.slice(0, 2).join(" ") === "secret bulk") {
    const secrets = await new Response(Deno.stdin.readable).text();
    await Deno.writeTextFile(`${setup.state}/secrets.json`, secrets);
    return say("✨ Successfully created secret");
  }
  if (args[0] !== "delete" || !args.includes("--force")) Deno.exit(2);
  try {
    Deno.kill(Number(await text("pid")), "SIGTERM");
    await Deno.remove(`${setup.state}/pid`);
  } catch {
    say("✘ [ERROR] This Worker does not exist on your account. [code: 10007]");
    Deno.exit(1);
  }
  say(`Successfully deleted ${option("--name")}`);
}

async function deploy(path: string): Promise<void> {
  const config = JSON.parse(await Deno.readTextFile(path));
  const main = `${path.slice(0, path.lastIndexOf("/"))}/${config.main}`;
  const url = `${config.name}.synth-tests.workers.dev`;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--quiet", "--no-config", "--no-lock", new URL(import.meta.url).pathname],
      ...[Deno.args[0] ?? "", "_serve", main, url],
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    detached: true,
  }).spawn();
  await Deno.writeTextFile(`${setup.state}/pid`, String(child.pid));
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  // The module may print, too.
  for (let done = false; !done && !said.includes("up\n");) {
    const piece = await reader.read();
    said += piece.value ?? "";
    done = piece.done;
  }
  say(`Uploaded ${config.name} (1.23 sec)\nDeployed ${config.name} triggers (0.45 sec)`);
  say(`  https://${url}\nCurrent Version ID: 00000000-0000-4000-8000-000000000000`);
  Deno.exit(0);
}

/** Bindings are read anew for each request: a new secret is a new version. */
async function serve(main: string, hostname: string): Promise<void> {
  const worker = await import(`file://${main}`);
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const secrets = JSON.parse(await text("secrets.json").catch(() => "{}"));
      return await worker.default.fetch(request, secrets, {});
    },
  );
  const connected = await fetch(`${setup.edge}/connect`, {
    method: "POST",
    body: JSON.stringify({ hostname, origin: `http://127.0.0.1:${server.addr.port}` }),
  });
  say("up");
  // Until the edge goes. Both are still referred to afterwards: a response that is collected closes its connection.
  const reader = connected.body?.getReader();
  await reader?.read();
  await reader?.cancel();
  Deno.exit(connected.ok ? 0 : 1);
}

function option(name: string): string {
  return args[args.indexOf(name) + 1] ?? "";
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
