/** `synth deploy` on this machine, as its users run it. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { isRunning } from "../task_app/tunnels/testing/tunnel_room.ts";
import {
  askApp,
  DEPLOY_KEY,
  type DeployedJson,
  DeployRoom,
  ECHO_APP,
  listensOn,
} from "./support/deploy_room.ts";

interface View {
  readonly id: string;
  readonly state: string;
  readonly health: string | null;
}

async function mode(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0) & 0o777;
}

Deno.test("synth deploy leaves a task app that outlives it, private and recorded, and stop ends it", async () => {
  await using room = await DeployRoom.make();
  const app = await room.json(["app.ts", "--port", "0"]);
  assertEquals(app.app_id, "echo");
  assertEquals(await askApp(app.url, "/health", DEPLOY_KEY), 200);
  assertEquals(await askApp(app.url, "/health", "another"), 401);
  const [record] = await room.records.list();
  assertEquals([record?.type, record?.pid, record?.port], ["deployment", app.pid, app.port]);
  assert(record?.pid_started);
  assertEquals(await mode(app.log_file), 0o600);
  assertEquals(await mode(`${room.home}/deployments/${app.id}`), 0o700);
  const [view] = await room.json<View[]>(["list"]);
  assertEquals([view?.id, view?.state], [app.id, "running"]);
  const status = await room.json<View>(["status", "app"]);
  assertEquals([status.state, status.health], ["running", "healthy"]);
  const logs = await room.deploy(["logs", app.id]);
  assertStringIncludes(logs.stdout, "printed by the file");
  assertEquals(logs.stdout.includes("\x1e"), false);
  assertEquals(await room.json<unknown>(["stop", app.id]), { id: app.id, result: "stopped" });
  assertEquals([await room.left(), await listensOn(app.port), isRunning(app.pid)], [
    [],
    false,
    false,
  ]);
});

Deno.test("synth deploy puts no key into an argument, a file or an output", async () => {
  await using room = await DeployRoom.make();
  const { code, stdout, stderr } = await room.deploy(["app.ts", "--port", "0", "--json"]);
  assertEquals(code, 0, stderr);
  const app: DeployedJson = JSON.parse(stdout);
  const ps = await new Deno.Command("ps", { args: ["-A", "-o", "args"] }).output();
  const grep = await new Deno.Command("grep", { args: ["-r", "-l", DEPLOY_KEY, room.home] })
    .output();
  const seen = new TextDecoder().decode(ps.stdout) + stdout + stderr;
  assertEquals(seen.includes(DEPLOY_KEY), false);
  assertEquals(new TextDecoder().decode(grep.stdout), "");
  await room.json<unknown>(["stop", app.id]);
});

Deno.test("synth deploy says what is wrong, with the exit code of it, and leaves nothing", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const cases: [string, string[], Record<string, string>, number, string[]][] = [
    [ECHO_APP, ["none.ts"], {}, 3, ["task_app_file_not_found"]],
    [ECHO_APP, [], {}, 2, ["There is no file to deploy"]],
    [ECHO_APP, ["app.ts", "--task-app", "b.ts"], {}, 2, ["named twice"]],
    [ECHO_APP, ["app.ts", "--dry-run"], {}, 2, ["nothing to show"]],
    [ECHO_APP, ["app.ts", "--runtime", "modal", "--dry-run", "--modal-mode", "serve"], {}, 2, [
      "A dry run serves nothing",
    ]],
    [ECHO_APP, ["app.ts"], { ENVIRONMENT_API_KEY: "" }, 4, ["environment_api_key_missing"]],
    [ECHO_APP, ["app.ts", "--port", String(taken.addr.port)], {}, 69, ["port_in_use"]],
    ["console.log('last words'); throw new Error('at import');", ["app.ts"], {}, 1, [
      "last words",
      "at import",
    ]],
    ["console.log('last words'); Deno.exit(7);", ["app.ts"], {}, 1, [
      "last words",
      "ended with code 7",
    ]],
    ["export const a = 1;", ["app.ts"], {}, 2, ["it exports a (number)"]],
    ["export default () => new Response('', { status: 401 });", ["app.ts"], {}, 4, ["refused"]],
    [
      "export default (r) => new Response('', { status: r.url.endsWith('/health') ? 200 : 404 });",
      ["app.ts"],
      {},
      6,
      ["task_app_incomplete", "POST /rollout (404)"],
    ],
  ];
  for (const [source, args, env, code, texts] of cases) {
    await using room = await DeployRoom.make(source);
    const port = args.includes("--port") ? [] : ["--port", "0"];
    const result = await room.deploy([...args, ...port, "--json"], env);
    assertEquals(result.code, code, result.stderr);
    for (const text of texts) assertStringIncludes(result.stderr, text);
    assertEquals([result.stdout, await room.left()], ["", []]);
  }
});

Deno.test("synth deploy --no-check takes an app with routes of its own", async () => {
  await using room = await DeployRoom.make("export default () => new Response('plain');");
  const app = await room.json(["app.ts", "--port", "0", "--no-check", "--name", "mine"]);
  assertEquals(await (await fetch(app.url)).text(), "plain");
  await room.json<unknown>(["stop", "mine"]);
  assertEquals(await room.left(), []);
});

Deno.test("synth deploy that is interrupted undoes what it has begun", async () => {
  await using room = await DeployRoom.make("await new Promise(() => setInterval(() => {}, 1e6));");
  await using process = room.start(["app.ts", "--port", "0"]);
  const pid = await startedPid(room);
  process.child.kill("SIGINT");
  const { code, stderr } = await process.result;
  assertEquals(code, 130, stderr);
  assertEquals([await room.left(), isRunning(pid)], [[], false]);
});

Deno.test("a deployment whose command was killed is starting for whoever asks, and can be stopped", async () => {
  await using room = await DeployRoom.make(
    "console.log('begun'); await new Promise(() => setInterval(() => {}, 1e6));",
  );
  await using process = room.start(["app.ts", "--port", "0"]);
  const pid = await startedPid(room);
  const log = (await room.records.list())[0]?.log_file ?? "";
  while (!(await Deno.readTextFile(log)).includes("begun"));
  process.child.kill("SIGKILL");
  await process.result;
  assert(isRunning(pid));
  const [view] = await room.json<View[]>(["list"]);
  assertEquals(view?.state, "starting");
  assertEquals((await room.deploy(["status", "app"])).code, 75);
  await room.json<unknown>(["stop", "app"]);
  assertEquals([await room.left(), isRunning(pid)], [[], false]);
});

Deno.test("a deployment whose process was killed has ended, keeps its log, and is stopped without a signal", async () => {
  await using room = await DeployRoom.make();
  const app = await room.json(["app.ts", "--port", "0"]);
  Deno.kill(app.pid, "SIGKILL");
  while (isRunning(app.pid));
  const status = await room.deploy(["status", app.id, "--json"]);
  assertEquals([status.code, JSON.parse(status.stdout).state], [6, "ended"]);
  assertStringIncludes((await room.deploy(["logs", app.id])).stdout, "printed by the file");
  assertEquals(await room.json<unknown>(["stop", app.id]), { id: app.id, result: "gone" });
  assertEquals(await room.left(), []);
  const gone = await room.deploy(["status", app.id]);
  assertEquals(gone.code, 3);
  assertStringIncludes(gone.stderr, "deployment_not_found");
});

Deno.test("after a restart of the machine, or with a number that is another's now, nothing of others is ended", async () => {
  await using room = await DeployRoom.make();
  await using bystander = new Deno.Command("sleep", { args: ["1000"] }).spawn();
  const app = await room.json(["app.ts", "--port", "0"]);
  const own = await room.records.get(app.id);
  assert(own);
  const another = { pid: bystander.pid, pid_started: "another-boot:1" };
  await room.records.update(app.id, (record) => ({ ...record, ...another }));
  const status = await room.deploy(["status", app.id, "--json"]);
  assertEquals([status.code, JSON.parse(status.stdout).state], [6, "ended"]);
  await room.records.update(app.id, (record) => ({ ...record, pid_scope: "another machine" }));
  assertEquals((await room.deploy(["status", app.id])).code, 69);
  const refused = await room.deploy(["stop", app.id]);
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.stderr, "process_unknown");
  await room.records.update(app.id, (record) => ({ ...record, pid_scope: own.pid_scope }));
  assertEquals(await room.json<unknown>(["stop", app.id]), { id: app.id, result: "gone" });
  assert(isRunning(bystander.pid));
  assert(isRunning(app.pid), "what the record did not name was ended");
  bystander.kill("SIGKILL");
  Deno.kill(app.pid, "SIGKILL");
});

Deno.test("synth deploy stop --forget leaves the process alone", async () => {
  await using room = await DeployRoom.make();
  const app = await room.json(["app.ts", "--port", "0"]);
  assertEquals(await room.json<unknown>(["stop", app.id, "--forget"]), {
    id: app.id,
    result: "forgotten",
  });
  assert(isRunning(app.pid));
  assertEquals(await room.left(), []);
  Deno.kill(app.pid, "SIGKILL");
});

Deno.test("synth deploy logs --follow ends with the deployment", async () => {
  await using room = await DeployRoom.make(
    `${ECHO_APP}\nDeno.addSignalListener("SIGTERM", () => console.log("it was told to stop"));`,
  );
  const app = await room.json(["app.ts", "--port", "0"]);
  await using follow = room.start(["logs", app.id, "--follow", "--json"]);
  await follow.stdoutUntil((text) => text.includes("printed by the file"));
  assertEquals(await askApp(app.url, "/task_info?seed=77", DEPLOY_KEY), 200);
  await follow.stdoutUntil((text) => text.split("/task_info").length > 2);
  Deno.kill(app.pid, "SIGTERM");
  const { code, stdout, stderr } = await follow.result;
  assertEquals(code, 0, stderr);
  const lines = stdout.trim().split("\n").map((line) => JSON.parse(line).line);
  assert(lines.includes("it was told to stop"), stdout);
  await room.json<unknown>(["stop", app.id]);
});

Deno.test("two deployments of one name are told apart by their ids", async () => {
  await using room = await DeployRoom.make();
  const one = await room.json(["app.ts", "--port", "0"]);
  const two = await room.json(["app.ts", "--port", "0"]);
  const { code, stderr } = await room.deploy(["stop", "app"]);
  assertEquals(code, 2);
  assertStringIncludes(stderr, two.id);
  await room.json<unknown>(["stop", one.id]);
  await room.json<unknown>(["stop", "app"]);
  assertEquals(await room.left(), []);
});

/** The process of a deployment that is being made. */
async function startedPid(room: DeployRoom): Promise<number> {
  for (;;) {
    const pid = (await room.records.list())[0]?.pid;
    if (typeof pid === "number") return pid;
  }
}
