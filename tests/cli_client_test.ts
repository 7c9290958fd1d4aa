/** The commands that call a gateway, as their users run them. @module */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type RunningGateway, startGatewayProcess } from "./support/gateway_process.ts";
import {
  runSynth,
  startSynth,
  type SynthResult,
  temporaryDirectory,
} from "./support/synth_process.ts";

/** A gateway with the demo model, and `synth` pointed at it. */
async function room(): Promise<
  AsyncDisposable & {
    gateway: RunningGateway;
    synth: (...args: string[]) => Promise<SynthResult>;
  }
> {
  await using stack = new AsyncDisposableStack();
  const gateway = stack.use(await startGatewayProcess({ config: "" }));
  const home = stack.use(await temporaryDirectory());
  const env = {
    SYNTH_HOME: home.path,
    SYNTH_API_KEY: gateway.apiKey,
    BACKEND_BASE_URL: `${gateway.origin}/api`,
  };
  const owned = stack.move();
  return {
    gateway,
    synth: (...args) => runSynth(args, { env, cwd: home.path }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function ask(gateway: RunningGateway, headers: Record<string, string>): Promise<number> {
  const response = await fetch(`${gateway.origin}/v1/responses`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${gateway.apiKey}`,
      "content-type": "application/json",
      ...headers,
    },
    body: JSON.stringify({ model: "synth-demo", input: "hi" }),
  });
  await response.body?.cancel();
  return response.status;
}

function done(result: SynthResult): SynthResult {
  assertEquals(result.code, 0, result.stdout + result.stderr);
  return result;
}

Deno.test("synth session goes through a session's whole life", async () => {
  await using one = await room();
  const { gateway, synth } = one;
  const created = done(await synth("session", "create", "--limit-api-calls", "1"));
  const id = created.stdout.trim();
  assertMatch(id, /^sess_[0-9a-z]{26}$/);
  assertStringIncludes(created.stderr, "API calls");
  assertEquals(await ask(gateway, { "x-synth-session-id": id }), 200);
  assertEquals(await ask(gateway, { "x-synth-session-id": id }), 429);

  const shown = done(await synth("session", "show"));
  assertStringIncludes(shown.stdout, "EXCEEDED");
  assertStringIncludes(shown.stderr, `synth session raise ${id}`);
  const listed = done(await synth("session", "list", "--json", "--status", "limit_exceeded"));
  assertEquals(JSON.parse(listed.stdout).map((s: { session_id: string }) => s.session_id), [id]);
  assertStringIncludes(done(await synth("session", "usage", id)).stdout, "synth-demo");

  const raised = done(await synth("session", "raise", "--api-calls", "2", "--json"));
  assertEquals(JSON.parse(raised.stdout).limit_value, 3);
  assertEquals(await ask(gateway, { "x-synth-session-id": id }), 200);

  const watched = done(await synth("session", "watch", "--once", id));
  assertEquals(JSON.parse(watched.stdout).current_usage.api_calls, 2);
  assertEquals(
    JSON.parse(done(await synth("session", "end", id, "--json")).stdout).status,
    "ended",
  );
  // Watching what is over ends by itself.
  assertEquals(JSON.parse(done(await synth("session", "watch", id)).stdout).status, "ended");
  const none = await synth("status", "session");
  assertEquals([none.code, none.stdout], [3, ""]);
  assertStringIncludes(none.stderr, "[no_active_session]");
});

Deno.test("synth session create passes every flag on, and 0 is a limit", async () => {
  await using one = await room();
  const flags = [
    ..."session create --json --limit-cost-usd 0 --limit-tokens 5000 --limit-gpu-hours 1.5".split(
      " ",
    ),
    ..."--soft tokens --window 1h --warning-threshold 0.8 --ttl 2h --idle 30m".split(" "),
    ..."--type job --on-limit message --no-make-active".split(" "),
  ];
  const session = JSON.parse(done(await one.synth(...flags)).stdout);
  assertEquals([session.session_type, session.on_limit], ["job", "message"]);
  assertEquals([session.is_active, session.idle_seconds], [false, 1800]);
  const [cost, tokens, gpu] = session.limits;
  assertEquals([cost.limit_value, cost.limit_type, cost.window_seconds], [
    0,
    "rolling_window",
    3600,
  ]);
  assertEquals([tokens.limit_value, tokens.limit_type], [5000, "soft"]);
  assertEquals([gpu.limit_value, gpu.warning_threshold], [1.5, 0.8]);
  const again = await one.synth(
    "session",
    "create",
    "--id",
    session.session_id,
    "--limit-tokens",
    "1",
  );
  assertEquals(again.code, 1);
  assertStringIncludes(again.stderr, "conflict");
});

Deno.test("synth status and balance show usage, prices and limits", async () => {
  await using one = await room();
  const { gateway, synth } = one;
  assertEquals(await ask(gateway, {}), 200);
  const usage = JSON.parse(
    done(await synth("status", "usage", "--budget-usd", "5", "--json")).stdout,
  );
  assertEquals([usage.daily.api_calls, usage.monthly.api_calls], [1, 1]);
  assert(usage.weekly.tokens > 0);
  assertEquals(usage.remaining_vs_budget, 5);
  const text = done(await synth("status", "usage", "--budget-usd", "5"));
  assertStringIncludes(text.stdout, "30 days");
  assertStringIncludes(text.stderr, "$5.00");
  const prices = JSON.parse(done(await synth("status", "pricing", "--json")).stdout);
  assertEquals(prices.models[0].price.free, true);
  assertStringIncludes(done(await synth("status", "pricing", "--all")).stdout, "gpt-5");
  const balance = JSON.parse(done(await synth("balance", "--json")).stdout);
  assertEquals(balance.org_id, "local");
  assertEquals(balance.windows.map((w: { window_hours: number }) => w.window_hours), [24, 168]);
  assertEquals(
    "windows" in JSON.parse(done(await synth("balance", "--no-usage", "--json")).stdout),
    false,
  );
});

Deno.test("synth keys makes, lists, rotates and revokes keys, and shows a key once", async () => {
  await using one = await room();
  await using directory = await temporaryDirectory();
  const { gateway, synth } = one;
  const file = `${directory.path}/key`;
  const made = JSON.parse(
    done(
      await synth(
        ..."keys create --json --name ci --user alice --limit-cost-usd 2 --expires 1d".split(" "),
        "--output",
        file,
      ),
    ).stdout,
  );
  assertEquals([made.name, made.user_id, "key" in made], ["ci", "alice", false]);
  assertEquals(made.limits[0].limit_value, 2);
  assertEquals(((await Deno.stat(file)).mode ?? 0) & 0o777, 0o600);
  const key = (await Deno.readTextFile(file)).trim();
  const me = async (text: string): Promise<number> => {
    const headers = { authorization: `Bearer ${text}` };
    const response = await fetch(`${gateway.origin}/api/v1/me`, { headers });
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await me(key), 200);
  const taken = await synth("keys", "create", "--output", file);
  assertEquals(taken.code, 2);
  assertStringIncludes(taken.stderr, "[output_exists]");

  const rotated = done(await synth("keys", "rotate", made.key_id));
  const fresh = rotated.stdout.trim();
  assert(fresh.startsWith("sk_synth_") && fresh !== key);
  assertEquals(await me(fresh), 200);
  const list = done(await synth("keys", "list"));
  assertStringIncludes(list.stdout, made.key_id);
  assert(!list.stdout.includes(fresh));
  assertEquals(done(await synth("keys", "revoke", made.key_id)).stdout.trim(), made.key_id);
  assertEquals(await me(fresh), 401);
  assertEquals((await synth("keys", "revoke", "key_nobody")).code, 3);
});

Deno.test("commands find gateway and key in the documented order", async () => {
  await using one = await room();
  await using home = await temporaryDirectory();
  const { gateway } = one;
  const run = (env: Record<string, string>, ...args: string[]): Promise<SynthResult> =>
    runSynth(["balance", "--no-usage", ...args], {
      env: { SYNTH_HOME: home.path, ...env },
      cwd: home.path,
    });
  const nothing = await run({});
  assertEquals([nothing.code, nothing.stdout], [69, ""]);
  assertStringIncludes(nothing.stderr, "[no_gateway]");
  await Deno.writeTextFile(
    `${home.path}/gateway.json`,
    JSON.stringify({ v: 1, url: gateway.origin, pid: 1, started_at: "" }),
  );
  const keyless = await run({});
  assertEquals(keyless.code, 4);
  assertStringIncludes(keyless.stderr, "[no_api_key]");
  const file = `${home.path}/api_key`;
  await Deno.writeTextFile(file, `${gateway.apiKey}\n`, { mode: 0o644 });
  await Deno.chmod(file, 0o644);
  const open = await run({});
  assertEquals(open.code, 4);
  assertStringIncludes(open.stderr, "[key_file_not_private]");
  await Deno.chmod(file, 0o600);
  assertEquals((await run({})).code, 0);
  assertEquals((await run({ SYNTH_API_KEY: "sk_synth_wrong" })).code, 4);
  assertEquals((await run({ BACKEND_BASE_URL: "http://127.0.0.1:9" })).code, 69);
  const env = { BACKEND_BASE_URL: "http://127.0.0.1:9" };
  assertEquals((await run(env, "--base-url", `${gateway.origin}/api/synth-research/v1/`)).code, 0);
  for (const bad of ["ftp://x", "http://u:p@127.0.0.1", "nonsense", `${gateway.origin}/other`]) {
    const result = await run({}, "--base-url", bad);
    assertEquals(result.code, 2, bad);
    assert(!result.stderr.includes("u:p"));
  }
});

Deno.test("wrong flags and values are usage errors, before anything is sent", async () => {
  const env = { BACKEND_BASE_URL: "http://127.0.0.1:9", SYNTH_API_KEY: "k" };
  await using home = await temporaryDirectory();
  const lines = [
    "session create --limit-cost-usd -1",
    "session create --limit-cost-usd 1e3",
    "session create --limit-tokens 1.5",
    "session create --window soon",
    "session create --soft cost",
    "session create --soft tokens",
    "session create --unlimited --limit-tokens 1",
    "session create --on-limit shout",
    "session show nonsense",
    "session raise",
    "session raise --tokens 1 --cost-usd 1",
    "session raise --cost-usd 0",
    "session list --status open",
    "session list --limit 0",
    "session usage --limit 1001",
    "balance nonsense",
    "codex --infer-only --reuse-session sess_00000000000000000000000000",
    "keys create --scopes all",
    "keys revoke",
    "session lits",
    "sesion list",
    "codex --reuse-session sess_1",
    "codex --url http://127.0.0.1:9 --base-url http://127.0.0.1:9",
    "codex -- --oss",
    "codex -- exec -c model_provider=x",
    "codex -- exec -cmodel_providers.synth_launch.base_url=x",
    "codex -- -m other",
    "opencode -- attach http://127.0.0.1:9",
    "opencode -- run --attach=http://127.0.0.1:9 hi",
    "completions csh",
  ];
  const results = await Promise.all(
    lines.map((line) =>
      runSynth(line.split(" "), { env: { ...env, SYNTH_HOME: home.path }, cwd: home.path })
    ),
  );
  for (const [i, { code, stdout, stderr }] of results.entries()) {
    assertEquals([code, stdout], [2, ""], `${lines[i]}: ${stderr}`);
    assertMatch(stderr, /^error: .*\[[a-z_]+\]\n/, lines[i]);
  }
});

Deno.test("every command that calls a gateway says which one is away, exit code 69", async () => {
  await using home = await temporaryDirectory();
  const env = { SYNTH_HOME: home.path, SYNTH_API_KEY: "k" };
  const away = { ...env, BACKEND_BASE_URL: "http://127.0.0.1:9/api/v1" };
  const lines = [
    "session create",
    "session list",
    "session show",
    "session usage",
    "session raise --cost-usd 1",
    "session end",
    "session watch",
    "status session",
    "status usage",
    "status pricing",
    "balance",
    "keys create",
    "keys list --json",
    "keys rotate key_a",
    "keys revoke key_a",
  ];
  const run = (line: string, env: Record<string, string>) =>
    runSynth(line.split(" "), { env, cwd: home.path });
  for (const line of lines) {
    const [one, none] = await Promise.all([run(line, away), run(line, env)]);
    assertEquals([one.code, one.stdout, none.code, none.stdout], [69, "", 69, ""], line);
    assertStringIncludes(one.stderr, "at http://127.0.0.1:9 [gateway_unreachable]");
    assertStringIncludes(none.stderr, "[no_gateway]");
  }
});

Deno.test("session ids that nobody knows are not found, exit code 3", async () => {
  await using gateway = await startGatewayProcess({ config: "" });
  const env = { SYNTH_API_KEY: gateway.apiKey, BACKEND_BASE_URL: gateway.origin };
  const id = "sess_00000000000000000000000000";
  const lines = [
    `session show ${id}`,
    `session usage ${id}`,
    `session raise --tokens 1 ${id}`,
    `session end ${id}`,
    `session watch ${id}`,
    `status session --session-id ${id}`,
    "session show",
    "keys revoke key_a",
    "keys rotate key_a",
  ];
  for (const line of lines) {
    const { code, stdout, stderr } = await runSynth(line.split(" "), { env });
    assertEquals([code, stdout], [3, ""], `${line}: ${stderr}`);
    assertMatch(stderr, /^error: .*\[[a-z_]+\]\n/, line);
  }
});

Deno.test("session watch off a terminal prints a line of JSON and ends with 130 on SIGINT", async () => {
  await using gateway = await startGatewayProcess({ config: "" });
  const env = { SYNTH_API_KEY: gateway.apiKey, BACKEND_BASE_URL: gateway.origin };
  const id = done(await runSynth(["session", "create"], { env })).stdout.trim();
  await using watch = startSynth(["session", "watch", id], { env });
  assertEquals(JSON.parse(await watch.firstLine()).session_id, id);
  watch.child.kill("SIGINT");
  assertEquals((await watch.result).code, 130);
});

Deno.test("session watch ends when its reader has gone", async () => {
  await using gateway = await startGatewayProcess({ config: "" });
  const env = { SYNTH_API_KEY: gateway.apiKey, BACKEND_BASE_URL: gateway.origin };
  const made = await runSynth(["session", "create", "--limit-tokens", "5"], { env });
  const id = done(made).stdout.trim();
  const main = new URL("../cli/main.ts", import.meta.url).pathname;
  const watch = new Deno.Command("bash", {
    args: [
      "-c",
      `"${Deno.execPath()}" run --quiet -A "${main}" session watch --interval 0.05s ${id} | { read -r line; echo seen; }`,
    ],
    env,
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const output = watch.stdout.getReader();
  assertEquals(new TextDecoder().decode((await output.read()).value), "seen\n");
  done(await runSynth(["session", "raise", "--tokens", "1", id], { env }));
  assertEquals((await watch.status).success, true);
  assertEquals((await output.read()).done, true);
});

Deno.test("every command has help with examples, on stdout", async () => {
  const commands = [
    ..."up|codex|opencode|session create|session list|session show|session usage".split("|"),
    ..."session raise|session end|session watch|status session|status usage".split("|"),
    ..."status pricing|balance|keys create|keys list|keys rotate|keys revoke".split("|"),
    ..."config init|config show|config trust|completions".split("|"),
  ];
  const results = await Promise.all(
    commands.map((command) => runSynth([...command.split(" "), "--help"])),
  );
  for (const [i, { code, stdout, stderr }] of results.entries()) {
    assertEquals([code, stderr], [0, ""], commands[i]);
    assertStringIncludes(stdout, "EXAMPLES", commands[i]);
  }
  assertEquals((await runSynth(["version"], { entry: "synth_ai.ts" })).code, 0);
});

Deno.test("a launcher without its agent says how to install it, exit code 127", async () => {
  await using home = await temporaryDirectory();
  for (const agent of ["codex", "opencode"]) {
    const result = await runSynth([agent], {
      env: { PATH: home.path, SYNTH_HOME: home.path },
      cwd: home.path,
    });
    assertEquals([result.code, result.stdout], [127, ""]);
    assertStringIncludes(result.stderr, "npm install -g");
  }
});

Deno.test("completions propose commands and flags", async () => {
  const lines = async (...words: string[]): Promise<string[]> =>
    done(await runSynth(["__complete", ...words])).stdout.split("\n").filter((line) => line !== "")
      .map((line) => line.split("\t")[0] ?? "");
  assertEquals(await lines("ses"), ["session"]);
  assertEquals(await lines("session", "l"), ["list"]);
  assert((await lines("session", "create", "--limit-")).includes("--limit-cost-usd"));
  assertEquals(await lines("nonsense", "x"), []);
  for (const shell of ["bash", "zsh", "fish", "powershell"]) {
    const { stdout } = done(await runSynth(["completions", shell], { entry: "synth_ai.ts" }));
    assertStringIncludes(stdout, "synth-ai __complete");
  }
});

Deno.test("the bash script completes in bash", async () => {
  await using directory = await temporaryDirectory();
  const script = done(await runSynth(["completions", "bash"])).stdout;
  const words = `synth() { printf 'session\\tAbout sessions\\nsecond\\tOther\\n'; }
${script}
COMP_WORDS=(synth se); COMP_CWORD=1; _synth_complete; printf '%s,' "\${COMPREPLY[@]}"`;
  await Deno.writeTextFile(`${directory.path}/t.sh`, words);
  const { stdout, success } = await new Deno.Command("bash", {
    args: [`${directory.path}/t.sh`],
  }).output();
  assertEquals([success, new TextDecoder().decode(stdout)], [true, "session,second,"]);
});
