/** `synth deploy --runtime modal`, with a Modal CLI of the tests that runs the script it is given. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { isRunning } from "../task_app/tunnels/testing/tunnel_room.ts";
import { DEPLOY_KEY, DeployRoom } from "./support/deploy_room.ts";

const ARGS = ["app.ts", "--runtime", "modal"];

type Call = { readonly args: readonly string[]; readonly env: Record<string, string> };

/** A room with a `modal`, and a project that knows the toolkit. */
class ModalRoom implements AsyncDisposable {
  readonly room: DeployRoom;
  #script = "";

  constructor(room: DeployRoom) {
    this.room = room;
  }

  static async make(script = "ok"): Promise<ModalRoom> {
    const room = await DeployRoom.make();
    const one = new ModalRoom(room);
    await Deno.mkdir(one.state);
    await room.write("deno.json", await projectConfig());
    await one.install(script);
    return one;
  }

  /** @param first lines of shell before it is run */
  async install(script: string, first = ""): Promise<void> {
    const double = new URL("./support/modal_double.py", import.meta.url).pathname;
    const { machine } = this.room;
    const { state } = this;
    this.#script = script;
    const setup = JSON.stringify({
      edge: machine.edge.control,
      state,
      deno: Deno.execPath(),
      script,
    });
    await Deno.writeTextFile(
      `${machine.path}/bin/modal`,
      `#!/bin/sh\n${first}exec python3 '${double}' '${setup}' "$@"\n`,
      { mode: 0o755 },
    );
  }

  /** From now on one of its commands fails. */
  async refuse(words: string): Promise<void> {
    await this.install(
      this.#script,
      `if [ "$1 $2" = "${words}" ]; then echo 'Not now.' >&2; exit 1; fi\n`,
    );
  }

  /** Ends what runs, so that a new version can take its place at the edge. */
  async end(): Promise<void> {
    const apps = await this.read("apps.json") as Record<string, { pid: number | null }>;
    for (const { pid } of Object.values(apps)) if (pid !== null) Deno.kill(pid, "SIGTERM");
  }

  get state(): string {
    return `${this.room.machine.path}/modal`;
  }

  async calls(): Promise<Call[]> {
    const text = await Deno.readTextFile(`${this.state}/calls.jsonl`).catch(() => "");
    return text.trim().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  }

  async read(name: string): Promise<Record<string, unknown>> {
    return JSON.parse(await Deno.readTextFile(`${this.state}/${name}`));
  }

  /** Apps at Modal that run. */
  async running(): Promise<string[]> {
    const apps = await this.read("apps.json").catch(() => ({}));
    return Object.entries(apps as Record<string, { state: string }>)
      .flatMap(([name, { state }]) => state === "stopped" ? [] : [name]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const apps = await this.read("apps.json").catch(() => ({}));
    for (const { pid } of Object.values(apps as Record<string, { pid: number | null }>)) {
      if (pid !== null) Deno.kill(pid, "SIGTERM");
    }
    await this.room[Symbol.asyncDispose]();
  }
}

Deno.test("synth deploy --runtime modal runs the task app as its script says, with its key as a secret", async () => {
  await using one = await ModalRoom.make();
  const { room } = one;
  await room.write("extra.env", "GROQ_API_KEY=gsk_of_the_tests\n");
  const { code, stdout, stderr } = await room.deploy([
    ...ARGS,
    ...["--name", "capitals", "--env-file", "extra.env", "--modal-volume", "traces=/data"],
    ...["--modal-cpu", "0.5", "--modal-memory", "512", "--modal-secret", "team", "--json"],
  ]);
  assertEquals(code, 0, stderr);
  const app = JSON.parse(stdout);
  assertEquals(app.url, "https://tests--capitals-task-app.modal.run");
  const answer = await room.machine.edge.fetch(`${app.url}/info`, {
    headers: { "x-api-key": DEPLOY_KEY },
  });
  assertEquals((await answer.json()).service.task.id, "echo");
  const found = await one.read("found.json");
  assertEquals(found["secrets"], ["capitals-task-app", "team"]);
  const given = found["function"] as Record<string, unknown>;
  assertEquals(
    [given["cpu"], given["memory"], given["timeout"], given["min_containers"], given["volumes"]],
    [0.5, 512, 600, 0, { "/data": "traces" }],
  );
  assertEquals(await one.read("secret-capitals-task-app.json"), {
    GROQ_API_KEY: "gsk_of_the_tests",
    ENVIRONMENT_API_KEY: DEPLOY_KEY,
  });
  for (const { args, env } of await one.calls()) {
    assertEquals(JSON.stringify([args, env]).includes(DEPLOY_KEY), false);
  }
  assertEquals((stdout + stderr).includes(DEPLOY_KEY), false);
  const script = await Deno.readTextFile(`${room.home}/deployments/${app.id}/app.py`);
  assertEquals(script.includes(DEPLOY_KEY), false);
  const status = await room.json<{ state: string }>(["status", "capitals"]);
  assertEquals(status.state, "deployed");
  const logs = await room.deploy(["logs", "capitals"]);
  assertEquals(logs.stdout, "log of capitals\n");
  await room.json<unknown>(["stop", "capitals"]);
  assertEquals([await room.left(), await one.running()], [[], []]);
});

Deno.test("synth deploy --runtime modal --modal-mode serve lasts as long as its process", async () => {
  await using one = await ModalRoom.make();
  const { room } = one;
  const app = await room.json([...ARGS, "--modal-mode", "serve"]);
  assertEquals(app.url, "https://tests--app-task-app-dev.modal.run");
  const status = await room.json<{ state: string }>(["status", "app"]);
  assertEquals(status.state, "running");
  await room.json<unknown>(["stop", "app"]);
  assertEquals([await room.left(), await one.running()], [[], []]);
});

Deno.test("synth deploy --runtime modal says what failed and leaves nothing", async () => {
  const cases: [string, number, string][] = [
    ["fail", 1, "the image cannot be built"],
    ["no-token", 4, "modal_not_logged_in"],
    ["no-url", 1, "modal_no_url"],
  ];
  for (const mode of ["deploy", "serve"]) {
    for (const [script, code, text] of cases) {
      if (mode === "serve" && script === "no-url") continue;
      await using one = await ModalRoom.make(script);
      const result = await one.room.deploy([...ARGS, "--modal-mode", mode, "--json"]);
      if (mode === "deploy") assertEquals(result.code, code, result.stderr);
      else assert(result.code !== 0);
      assertStringIncludes(result.stderr, mode === "serve" ? "modal" : text);
      assertEquals([result.stdout, await one.room.left()], ["", []]);
    }
  }
});

Deno.test("a deployment on Modal that refuses its key is taken back, unless it replaced one", async () => {
  for (const before of [false, true]) {
    await using one = await ModalRoom.make();
    const { room } = one;
    await room.write(
      "app.ts",
      "export default { fetch: () => new Response(null, { status: 401 }) };",
    );
    if (before) {
      await Deno.writeTextFile(
        `${one.state}/apps.json`,
        JSON.stringify({ app: { state: "deployed", pid: null } }),
      );
    }
    const { code, stderr } = await room.deploy([...ARGS, "--json"]);
    assertEquals(code, 4, stderr);
    assertStringIncludes(stderr, "health_check_unauthorized");
    assertEquals([await room.left(), await one.running()], [[], before ? ["app"] : []]);
  }
});

Deno.test("synth deploy --modal-app runs a script of the user's own", async () => {
  await using one = await ModalRoom.make();
  const { room } = one;
  const shown = await room.deploy([...ARGS, "--name", "shown", "--dry-run"]);
  assertEquals(shown.code, 0, shown.stderr);
  await room.write("mine.py", shown.stdout.replace('"shown"', '"mine"'));
  await Deno.writeTextFile(
    `${one.state}/secret-shown-task-app.json`,
    JSON.stringify({ ENVIRONMENT_API_KEY: DEPLOY_KEY }),
  );
  const app = await room.json(["--runtime", "modal", "--modal-app", "mine.py"]);
  assertEquals(app.url, "https://tests--mine-task-app.modal.run");
  await room.json<unknown>(["stop", app.id]);
  assertEquals([await room.left(), await one.running()], [[], []]);
});

Deno.test("synth deploy --runtime modal --dry-run shows a script that compiles, and calls nobody", async () => {
  await using one = await ModalRoom.make();
  const { code, stdout, stderr } = await one.room.deploy([...ARGS, "--dry-run", "--json"]);
  assertEquals(code, 0, stderr);
  const { script, secret } = JSON.parse(stdout);
  assertEquals(secret, "app-task-app");
  await one.room.write("shown.py", script);
  const compiled = await new Deno.Command("python3", {
    args: ["-m", "py_compile", `${one.room.path}/shown.py`],
  }).output();
  assert(compiled.success);
  assertEquals([await one.calls(), await one.room.left()], [[], []]);
});

Deno.test("what is secret in a project is not copied to Modal", async () => {
  await using one = await ModalRoom.make();
  const { room } = one;
  await room.write("variables [1].txt", "A=1\n");
  const args = ["--env-file", "variables [1].txt", "--home", `${room.path}/state`];
  const { code, stdout, stderr } = await room.deploy([...ARGS, "--dry-run", ...args]);
  assertEquals(code, 0, stderr);
  const ignored = /"\/project", copy=True, ignore=(\[.*?\])\)/.exec(stdout)?.[1] ?? "[]";
  const patterns: string[] = JSON.parse(ignored);
  for (const pattern of ["**/.env", "**/*.env", "variables \\[1\\].txt", "state"]) {
    assert(patterns.includes(pattern), ignored);
  }
});

Deno.test("synth deploy --runtime modal wants a modal, and sane settings", async () => {
  await using room = await DeployRoom.make();
  const none = await room.deploy(ARGS);
  assertEquals(none.code, 127, none.stderr);
  const named = await room.deploy([...ARGS, "--modal-cli", "nowhere/modal"]);
  assertEquals(named.code, 127, named.stderr);
  const wrong: string[][] = [
    ["--modal-volume", "traces"],
    ["--modal-volume", "traces=data"],
    ["--modal-pip", "--index-url=https://evil.example"],
    ["--modal-min-containers", "5"],
    ["--modal-cpu", "0"],
    ["--name", "a b"],
  ];
  for (const args of wrong) {
    const result = await room.deploy([...ARGS, "--dry-run", ...args]);
    assertEquals(result.code, 2, `${args.join(" ")}: ${result.stderr}${result.stdout}`);
  }
});

Deno.test("an app on Modal without an address is taken back, and one that cannot be is told of and stays recorded", async () => {
  await using one = await ModalRoom.make("no-url");
  const none = await one.room.deploy([...ARGS, "--json"]);
  assertEquals([none.code, none.stdout], [1, ""], none.stderr);
  assertStringIncludes(none.stderr, "modal_no_url");
  assertEquals([await one.running(), await one.room.left()], [[], []]);

  await one.refuse("app stop");
  const kept = await one.room.deploy([...ARGS, "--json"]);
  assertEquals([kept.code, kept.stdout], [1, ""]);
  assertStringIncludes(kept.stderr, "modal_no_url");
  assertStringIncludes(
    kept.stderr,
    "warning: not all that was begun is taken back: modal app stop",
  );
  const [view] = await one.room.json<{ id: string; state: string }[]>(["list"]);
  assertEquals(view?.state, "starting");
  await one.install("ok");
  await one.room.json<unknown>(["stop", view?.id ?? ""]);
  assertEquals([await one.running(), await one.room.left()], [[], []]);
});

Deno.test("modal serve whose command was killed while it built can be found and stopped", async () => {
  await using one = await ModalRoom.make();
  const { room } = one;
  const building = `${one.state}/building`;
  const modal = `${room.machine.path}/bin/modal`;
  await Deno.writeTextFile(modal, `#!/bin/sh\necho $$ > '${building}'\nexec sleep 1000\n`, {
    mode: 0o755,
  });
  // A script of the user's own needs no secret to be made first.
  await room.write("mine.py", "");
  const serving = ["--runtime", "modal", "--modal-app", "mine.py", "--modal-mode", "serve"];
  await using process = room.start(serving);
  while ((await room.records.list()).length === 0);
  process.child.kill("SIGKILL");
  await process.result;
  const pid = (await room.records.list())[0]?.pid;
  const [view] = await room.json<{ id: string; state: string; pid: number }[]>(["list"]);
  assertEquals([view?.state, view?.pid], ["starting", pid]);
  assertEquals(await room.json<unknown>(["stop", "mine"]), {
    id: view?.id,
    result: "stopped",
  });
  assertEquals([await room.left(), isRunning(pid ?? 0)], [[], false]);
});

Deno.test("modal serve that is interrupted while it builds leaves nothing", async () => {
  await using one = await ModalRoom.make();
  const { room } = one;
  await Deno.writeTextFile(`${room.machine.path}/bin/modal`, "#!/bin/sh\nexec sleep 1000\n", {
    mode: 0o755,
  });
  await room.write("mine.py", "");
  const serving = ["--runtime", "modal", "--modal-app", "mine.py", "--modal-mode", "serve"];
  await using process = room.start([...serving, "--json"]);
  while ((await room.records.list()).length === 0);
  const pid = (await room.records.list())[0]?.pid ?? 0;
  process.child.kill("SIGINT");
  const { code, stdout } = await process.result;
  assertEquals([code, stdout, isRunning(pid), await room.left()], [130, "", false, []]);
});

Deno.test("the file of secrets goes with the deployment when the command was killed while Modal read it", async () => {
  await using one = await ModalRoom.make();
  const { room } = one;
  const reading = `${one.state}/reading`;
  const modal = `${room.machine.path}/bin/modal`;
  await Deno.writeTextFile(modal, `#!/bin/sh\necho $$ > '${reading}'\nexec sleep 1000\n`, {
    mode: 0o755,
  });
  await using process = room.start(ARGS);
  const started = async () => Number(await Deno.readTextFile(reading).catch(() => ""));
  while (await started() === 0);
  process.child.kill("SIGKILL");
  Deno.kill(await started(), "SIGKILL");
  await process.result;
  const [view] = await room.json<{ id: string; state: string }[]>(["list"]);
  assertEquals(view?.state, "starting");
  const secrets = `${room.home}/deployments/${view?.id}/secrets.json`;
  assertEquals(((await Deno.stat(secrets)).mode ?? 0) & 0o777, 0o600);
  await room.json<unknown>(["stop", "app"]);
  assertEquals(await room.left(), []);
});

Deno.test("--env-file may be a pipe, a new version is the same deployment, and its logs are JSON when they are to be", async () => {
  await using one = await ModalRoom.make();
  const { room } = one;
  const pipe = `${room.path}/pipe.env`;
  assert((await new Deno.Command("mkfifo", { args: [pipe] }).output()).success);
  const writing = new Deno.Command("sh", {
    args: ["-c", `echo GROQ_API_KEY=gsk_of_the_tests > '${pipe}'`],
  }).output();
  await room.json([...ARGS, "--env-file", "pipe.env"]);
  await writing;
  assertEquals(await one.read("secret-app-task-app.json"), {
    GROQ_API_KEY: "gsk_of_the_tests",
    ENVIRONMENT_API_KEY: DEPLOY_KEY,
  });
  await one.end();
  const second = await room.json(ARGS);
  assertEquals((await room.records.list()).map(({ id }) => id), [second.id]);
  const logs = await room.deploy(["logs", "app", "--json", "--lines", "7"]);
  assertEquals([logs.code, logs.stdout], [0, '{"line":"log of app"}\n'], logs.stderr);
  const asked = (await one.calls()).at(-1)?.args;
  assertEquals(asked, ["app", "logs", "--tail", "7", "app"]);
  await one.refuse("app logs");
  const failed = await room.deploy(["logs", "app", "--json"]);
  assertEquals([failed.code, failed.stdout], [1, ""], failed.stderr);
  await one.install("ok");
  await room.json<unknown>(["stop", "app"]);
  assertEquals([await one.running(), await room.left()], [[], []]);
});

/** The import map of this repository, for a project elsewhere. */
async function projectConfig(): Promise<string> {
  const root = new URL("../", import.meta.url);
  const read = async (path: string) => JSON.parse(await Deno.readTextFile(new URL(path, root)));
  const { imports, unstable } = await read("deno.json");
  for (const room of ["core", "task_app"]) {
    const { name, exports } = await read(`${room}/deno.json`);
    for (const [sub, file] of Object.entries(exports)) {
      imports[name + sub.slice(1)] = new URL(String(file), new URL(`${room}/`, root)).href;
    }
  }
  imports["@std/toml"] = new URL("compat/std_toml/mod.ts", root).href;
  return JSON.stringify({ imports, unstable, nodeModulesDir: "none", lock: false });
}
