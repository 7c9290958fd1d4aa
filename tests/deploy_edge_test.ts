/** `synth deploy --runtime worker|deno-deploy`. That the Worker runs in workerd is shown in `tests/workers/deployed_task_app.ts`. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { denoDeployUrl } from "../cli/commands/deploy_edge.ts";
import { DEPLOY_KEY, DeployRoom, ECHO_APP } from "./support/deploy_room.ts";

const TOKENS = { CLOUDFLARE_API_TOKEN: "token-of-the-edge-tests", DENO_DEPLOY_TOKEN: "token" };
const WORKER = ["app.ts", "--runtime", "worker"];
const DENO = ["app.ts", "--runtime", "deno-deploy"];

Deno.test("synth deploy --runtime worker uploads one module, gives its key over standard input, and stop deletes it", async () => {
  await using room = await DeployRoom.make();
  await using cloudflare = await wrangler(room);
  const { code, stdout, stderr } = await room.deploy([...WORKER, "--json"], TOKENS);
  assertEquals(code, 0, stderr);
  const app = JSON.parse(stdout);
  assertEquals(app.url, "https://app.synth-tests.workers.dev");
  const answer = await room.machine.edge.fetch(`${app.url}/info`, {
    headers: { "x-api-key": DEPLOY_KEY },
  });
  assertEquals((await answer.json()).service.task.id, "echo");
  const config = `${room.home}/deployments/${app.id}/wrangler.jsonc`;
  for (const call of await cloudflare.calls()) {
    assertStringIncludes(call, `"--config","${config}"`);
    assertEquals(call.includes(DEPLOY_KEY), false);
    assertStringIncludes(call, TOKENS.CLOUDFLARE_API_TOKEN);
  }
  assertEquals((stdout + stderr).includes(TOKENS.CLOUDFLARE_API_TOKEN), false);
  const status = await room.json<{ state: string }>(["status", "app"], TOKENS);
  assertEquals(status.state, "deployed");
  await room.json<unknown>(["stop", "app"], TOKENS);
  assertStringIncludes((await cloudflare.calls()).at(-1) ?? "", `"--config","${config}"`);
  assertEquals([await room.left(), await cloudflare.running()], [[], false]);
});

Deno.test("synth deploy --runtime worker leaves no record when a step fails", async () => {
  for (const step of ["deploy", "secret"]) {
    await using room = await DeployRoom.make();
    await using _cloudflare = await wrangler(room, step);
    const { code, stdout, stderr } = await room.deploy([...WORKER, "--json"], TOKENS);
    assertEquals([code, stdout], [1, ""], stderr);
    assertStringIncludes(stderr, "wrangler_failed");
    assertEquals(await room.left(), []);
  }
});

Deno.test("an upload wants the platform's token before anything is built", async () => {
  await using room = await DeployRoom.make("syntax(");
  for (const args of [WORKER, DENO]) {
    const { code, stderr } = await room.deploy(args, {
      CLOUDFLARE_API_TOKEN: "",
      DENO_DEPLOY_TOKEN: "",
    });
    assertEquals(code, 4, stderr);
    assertStringIncludes(stderr, "platform_token_missing");
  }
  assertEquals(await room.left(), []);
});

Deno.test("synth deploy --dry-run at the edge says what cannot be there", async () => {
  const cases: [string, number, string][] = [
    ["syntax(", 1, "bundle_failed"],
    [`import fs from "node:fs";\n${ECHO_APP}\nconsole.log(fs);`, 6, "node:fs"],
    [`import { spawn } from "node:child_process";\n${ECHO_APP}\nspawn;`, 6, "node:child_process"],
  ];
  for (const [source, expected, text] of cases) {
    await using room = await DeployRoom.make(source);
    for (const args of [WORKER, DENO]) {
      const { code, stderr } = await room.deploy([...args, "--dry-run"]);
      assertEquals(code, expected, stderr);
      assertStringIncludes(stderr, text);
    }
  }
});

Deno.test("synth deploy --runtime worker asks for nodejs_compat when the app needs it", async () => {
  await using room = await DeployRoom.make(
    `import { Buffer } from "node:buffer";\n${ECHO_APP}\nexport const b = Buffer.from("x");`,
  );
  const built = await room.json<{ node_modules: string[] }>([...WORKER, "--dry-run"]);
  assertEquals(built.node_modules, ["node:buffer"]);
  const config = JSON.parse(await Deno.readTextFile(`${room.path}/dist-app/wrangler.jsonc`));
  assert(config.compatibility_flags.includes("nodejs_compat"));
});

Deno.test("what is built for Deno Deploy serves under deno serve with net and env alone", async () => {
  await using room = await DeployRoom.make();
  const built = await room.json<{ file: string; command: string[] }>([
    ...DENO,
    ...["--name", "capitals", "--org", "me", "--dry-run"],
  ]);
  assertEquals(built.command, [
    ...["deno", "deploy", "--prod", "--app", "capitals", "--org", "me"],
  ]);
  const config = JSON.parse(await Deno.readTextFile(`${room.path}/dist-capitals/deno.json`));
  assertEquals(config, { deploy: { org: "me", app: "capitals" } });
  await using child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["serve", "--no-prompt", "--no-config", "--allow-net", "--allow-env"],
      ...["--host", "127.0.0.1", "--port", "0", built.file],
    ],
    env: { ENVIRONMENT_API_KEY: DEPLOY_KEY, NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let said = "";
  let url: string | undefined;
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  while (url === undefined) {
    const { value, done } = await reader.read();
    assert(!done, said);
    said += value;
    url = /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0];
  }
  const headers = { "x-api-key": DEPLOY_KEY, "content-type": "application/json" };
  assertEquals((await (await fetch(`${url}/health`, { headers })).json()).service, "echo");
  const body = JSON.stringify({ run_id: "r", env: {}, policy: {}, mode: "eval" });
  const rollout = await fetch(`${url}/rollout`, { method: "POST", headers, body });
  assertEquals((await rollout.json()).metrics.mean_return, 1);
  child.kill("SIGKILL");
  while (!(await reader.read()).done);
});

Deno.test("a dry run writes over no file that it has not made", async () => {
  await using room = await DeployRoom.make();
  const own: [string, string, string[]][] = [
    ["deno.json", '{"imports":{}}', DENO],
    ["main.js", "of the user", DENO],
    ["wrangler.jsonc", '{"name":"mine"}', WORKER],
  ];
  for (const [name, text, args] of own) {
    const out = `${room.path}/${name}.d`;
    await Deno.mkdir(out);
    await Deno.writeTextFile(`${out}/${name}`, text);
    const { code, stderr } = await room.deploy([...args, "--dry-run", "--out", out]);
    assertEquals(code, 2, stderr);
    assertStringIncludes(stderr, "out_not_empty");
    assertEquals(await Deno.readTextFile(`${out}/${name}`), text);
    assertEquals((await Array.fromAsync(Deno.readDir(out))).length, 1);
  }
  const out = `${room.path}/out`;
  await Deno.mkdir(out);
  await Deno.writeTextFile(`${out}/entry.mjs`, "of the user");
  for (const name of ["one", "two"]) {
    await room.json<unknown>([...WORKER, "--dry-run", "--out", out, "--name", name]);
    assertEquals(JSON.parse(await Deno.readTextFile(`${out}/wrangler.jsonc`)).name, name);
  }
  assertEquals(await Deno.readTextFile(`${out}/entry.mjs`), "of the user");
  assertEquals(await room.left(), []);
});

Deno.test("a Worker gets the variables of --env-file as secrets; a new version of it is the same deployment", async () => {
  await using room = await DeployRoom.make();
  await using cloudflare = await wrangler(room);
  await room.write(
    "app.env",
    "GROQ_API_KEY=gsk_of_the_edge_tests\nENVIRONMENT_API_KEY=of-the-file\n",
  );
  const first = await room.json([...WORKER, "--env-file", "app.env"], TOKENS);
  assertEquals(JSON.parse(await Deno.readTextFile(cloudflare.secrets)), {
    GROQ_API_KEY: "gsk_of_the_edge_tests",
    ENVIRONMENT_API_KEY: DEPLOY_KEY,
  });
  await cloudflare.end();
  const second = await room.json(WORKER, TOKENS);
  assertEquals(second.url, first.url);
  assertEquals((await room.records.list()).map(({ id }) => id), [second.id]);
  await room.json<unknown>(["stop", "app"], TOKENS);
  assertEquals(await room.left(), []);
});

Deno.test("an upload that is interrupted says that the Worker may be there, and leaves no record", async () => {
  await using room = await DeployRoom.make();
  const uploading = `${room.machine.path}/uploading`;
  const double = `${room.machine.path}/bin/wrangler`;
  await Deno.writeTextFile(double, `#!/bin/sh\necho $$ > '${uploading}'\nexec sleep 1000\n`, {
    mode: 0o755,
  });
  await using process = room.start([...WORKER, "--json"], TOKENS);
  while (await Deno.readTextFile(uploading).catch(() => "") === "");
  process.child.kill("SIGINT");
  const { code, stdout, stderr } = await process.result;
  assertEquals([code, stdout], [130, ""]);
  assertStringIncludes(stderr, "the Worker app may be there");
  assertEquals(await room.left(), []);
});

Deno.test("an upload whose command was killed is starting for whoever asks, and can be stopped", async () => {
  await using room = await DeployRoom.make();
  const double = `${room.machine.path}/bin/wrangler`;
  const uploading = `${room.machine.path}/uploading`;
  await Deno.writeTextFile(double, `#!/bin/sh\necho $$ > '${uploading}'\nexec sleep 1000\n`, {
    mode: 0o755,
  });
  await using process = room.start(WORKER, TOKENS);
  const started = async () => Number(await Deno.readTextFile(uploading).catch(() => ""));
  while (await started() === 0);
  process.child.kill("SIGKILL");
  Deno.kill(await started(), "SIGKILL");
  await process.result;
  const status = await room.deploy(["status", "app", "--json"], TOKENS);
  assertEquals([status.code, JSON.parse(status.stdout).state], [75, "starting"]);
  await Deno.writeTextFile(
    double,
    "#!/bin/sh\necho 'No such account. It does not exist.'\nexit 1\n",
  );
  const refused = await room.deploy(["stop", "app"], TOKENS);
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.stderr, "wrangler_failed");
  await Deno.writeTextFile(double, "#!/bin/sh\necho 'service_not_found [code: 10090]'\nexit 1\n");
  await room.json<unknown>(["stop", "app"], TOKENS);
  assertEquals(await room.left(), []);
});

Deno.test("the production address of a revision on Deno Deploy is taken", () => {
  const said =
    "Preview url:\n  https://app-1a2b.me.deno.net\nProduction url:\n  https://app.me.deno.net";
  assertEquals(denoDeployUrl(said), "https://app.me.deno.net");
  assertEquals(
    denoDeployUrl("https://console.deno.com/me/app https://app.me.deno.net\n"),
    "https://app.me.deno.net",
  );
  assertEquals(denoDeployUrl("https://deno.net.evil.example"), null);
});

/** A `wrangler` on the room's PATH. */
async function wrangler(room: DeployRoom, fail: string | null = null) {
  const state = `${room.machine.path}/cloudflare`;
  await Deno.mkdir(state);
  const script = new URL("./support/wrangler_double.ts", import.meta.url).pathname;
  const setup = JSON.stringify({ edge: room.machine.edge.control, state, fail });
  await Deno.writeTextFile(
    `${room.machine.path}/bin/wrangler`,
    `#!/bin/sh\nexec '${Deno.execPath()}' run -A --quiet --no-config --no-lock '${script}' '${setup}' "$@"\n`,
    { mode: 0o755 },
  );
  const pid = async () => Number(await Deno.readTextFile(`${state}/pid`).catch(() => "0"));
  return {
    calls: async () => (await Deno.readTextFile(`${state}/calls.jsonl`)).trim().split("\n"),
    running: async () => await pid() !== 0,
    /** Where the Worker's secrets lie. */
    secrets: `${state}/secrets.json`,
    end: async () => Deno.kill(await pid(), "SIGKILL"),
    async [Symbol.asyncDispose](): Promise<void> {
      const left = await pid();
      if (left !== 0) Deno.kill(left, "SIGKILL");
    },
  };
}
