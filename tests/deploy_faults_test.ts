/** `synth deploy` on this machine with what strangers give it. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { systemClock } from "@synth/core";
import { lockFile } from "../task_app/records/file_lock.ts";
import { isRunning } from "../task_app/tunnels/testing/tunnel_room.ts";
import { DeployRoom, ECHO_APP } from "./support/deploy_room.ts";

Deno.test("a value that no environment holds is refused without showing it", async () => {
  await using room = await DeployRoom.make();
  await room.write("nul.env", 'OTHER=1\nTOKEN="secret-of-the-tests\\u0000"\n');
  for (const args of [["app.ts", "--port", "0"], ["app.ts", "--runtime", "modal"]]) {
    const result = await room.deploy([
      ...args,
      "--modal-cli",
      "/bin/true",
      "--env-file",
      "nul.env",
    ]);
    assertEquals(result.code, 2, result.stderr);
    assertStringIncludes(result.stderr, "TOKEN in nul.env");
    assertStringIncludes(result.stderr, "env_value_invalid");
    assertEquals((result.stdout + result.stderr).includes("secret-of-the-tests"), false);
  }
  assertEquals(await room.left(), []);
});

Deno.test("a file that fails with codes of its own is a failure, whatever they are", async () => {
  for (const exitCode of [0, 256, -1, 130, 4]) {
    await using room = await DeployRoom.make(
      `throw Object.assign(new Error("at import"), { exitCode: ${exitCode}, code: "no code" });`,
    );
    // Without the toolkit, which has errors of its own.
    await room.write("deno.json", "{}");
    const result = await room.deploy(["app.ts", "--port", "0", "--json"]);
    assertEquals([result.code, result.stdout], [exitCode === 4 ? 4 : 1, ""], result.stderr);
    assertStringIncludes(result.stderr, "at import [task_app_import_failed]");
    assertEquals(await room.left(), []);
  }
});

Deno.test("an app that has another key than the caller's runs; status says what is missing", async () => {
  await using room = await DeployRoom.make();
  await room.write("key.env", "ENVIRONMENT_API_KEY=another-key-of-the-tests\n");
  const own = { ENVIRONMENT_API_KEY: "another-key-of-the-tests" };
  await room.json(["app.ts", "--port", "0"], own);
  const status = await room.deploy(["status", "app", "--json"]);
  const { state, health } = JSON.parse(status.stdout);
  assertEquals([status.code, state, health], [4, "running", "unauthorized"]);
  assertStringIncludes(status.stderr, "ENVIRONMENT_API_KEY");
  assertEquals((await room.deploy(["status", "app"], own)).code, 0);
  await room.json<unknown>(["stop", "app"]);
});

Deno.test("synth deploy logs --follow shows what a deployment prints while it starts, and not what it tells us", async () => {
  const wait = "while (!await Deno.stat('go').catch(() => null)) " +
    "await new Promise((resolve) => setTimeout(resolve, 10));";
  await using room = await DeployRoom.make(`console.log("waits");\n${wait}\n${ECHO_APP}`);
  await using deploying = room.start(["app.ts", "--port", "0"]);
  while ((await room.records.list()).length === 0);
  await using follow = room.start(["logs", "app", "--follow", "--json"]);
  await follow.stdoutUntil((text) => text.includes("waits"));
  await room.write("go", "");
  assertEquals((await deploying.result).code, 0);
  await follow.stdoutUntil((text) => text.includes("/task_info"));
  await room.json<unknown>(["stop", "app"]);
  const { code, stdout } = await follow.result;
  assertEquals(code, 0);
  const lines = stdout.trim().split("\n").map((line) => JSON.parse(line).line);
  assertEquals(lines.filter((line) => line.includes('"did":')), []);
  assertEquals(lines.filter((line) => line === "waits").length, 1);
  assertEquals(lines.includes("printed by the file"), true);
});

Deno.test("a command that is killed before it has recorded its process leaves none", async () => {
  await using room = await DeployRoom.make();
  const clock = systemClock;
  // Held, so that the record cannot be written.
  const lock = await lockFile(`${room.home}/services.json.lock`, { clock, deadlineMs: 1000 });
  await using process = room.start(["app.ts", "--port", "0"]);
  const pid = await processOf(room);
  process.child.kill("SIGKILL");
  await process.result;
  while (isRunning(pid));
  lock[Symbol.dispose]();
  assertEquals(await room.records.list(), []);
  for await (const { name } of Deno.readDir(`${room.home}/deployments`)) {
    assertEquals(await Deno.readTextFile(`${room.home}/deployments/${name}/app.log`), "");
  }
});

Deno.test("a deployment that is forgotten while it is made is undone: nothing runs that nobody can find", async () => {
  const wait = "while (!await Deno.stat('go').catch(() => null)) " +
    "await new Promise((resolve) => setTimeout(resolve, 10));";
  await using room = await DeployRoom.make(`${wait}\n${ECHO_APP}`);
  await using process = room.start(["app.ts", "--port", "0", "--json"]);
  const pid = await processOf(room);
  while ((await room.records.list()).length === 0);
  await room.json<unknown>(["stop", "app", "--forget"]);
  await room.write("go", "");
  const { code, stdout } = await process.result;
  assertEquals([code, stdout, isRunning(pid), await room.left()], [1, "", false, []]);
});

Deno.test("synth deploy refuses flags that its runtime would not heed", async () => {
  await using room = await DeployRoom.make();
  const cases = [
    ["--save-env", "x.env"],
    ["--subdomain", "mine"],
    ["--runtime", "tunnel", "--subdomain", "mine"],
    ["--runtime", "worker", "--name", "My.App", "--dry-run"],
  ];
  for (const args of cases) {
    const { code, stdout, stderr } = await room.deploy(["app.ts", ...args, "--json"]);
    assertEquals([code, stdout], [2, ""], `${args.join(" ")}: ${stderr}`);
  }
  assertEquals(await room.left(), []);
});

Deno.test("synth deploy list says that records were not readable: what they named may run", async () => {
  await using room = await DeployRoom.make();
  await Deno.writeTextFile(`${room.home}/services.json`, "{{{");
  const { code, stdout, stderr } = await room.deploy(["list", "--json"]);
  assertEquals([code, stdout], [0, "[]\n"]);
  assertStringIncludes(stderr, "services.json.corrupt-");
});

Deno.test("a record shows and cuts no file but the deployment's own log", async () => {
  await using room = await DeployRoom.make();
  const app = await room.json(["app.ts", "--port", "0"]);
  const other = `${room.path}/other.txt`;
  await room.write("other.txt", "of the user\n".repeat(2_000_000));
  const { size } = await Deno.stat(other);
  await room.records.update(app.id, (record) => ({ ...record, log_file: other }));
  await room.json<unknown>(["status", app.id]);
  const logs = await room.deploy(["logs", app.id]);
  assertEquals((await Deno.stat(other)).size, size);
  assert(!logs.stdout.includes("of the user"));
  assertStringIncludes(logs.stdout, "printed by the file");
  await room.json<unknown>(["stop", app.id]);
});

/** The process that serves a file of the room, recorded or not. */
async function processOf(room: DeployRoom): Promise<number> {
  for (;;) {
    const ps = await new Deno.Command("ps", { args: ["-A", "-o", "pid=,args="] }).output();
    const lines = new TextDecoder().decode(ps.stdout).split("\n");
    const found = lines.find((line) => line.includes(`${room.home}/serve-`));
    if (found !== undefined) return Number.parseInt(found);
  }
}
