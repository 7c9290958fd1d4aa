import { assertEquals, assertNotMatch, assertStringIncludes } from "@std/assert";
import { runSynth, startSynth, temporaryDirectory } from "./support/synth_process.ts";

Deno.test("synth config init writes a file that synth up takes, once", async () => {
  await using root = await temporaryDirectory();
  const env = { SYNTH_HOME: `${root.path}/home` };
  const first = await runSynth(["config", "init"], { env });
  assertEquals([first.code, first.stdout], [0, `${root.path}/home/synth.toml\n`]);
  const text = await Deno.readTextFile(first.stdout.trim());
  assertEquals((await runSynth(["config", "init", "--stdout"], { env })).stdout, text);
  const second = await runSynth(["config", "init"], { env });
  assertEquals(second.code, 1);
  assertStringIncludes(second.stderr, "[config_exists]");
  await using synth = startSynth(["up", "--port", "0", "--json"], { env });
  const shown = JSON.parse(await synth.stdoutUntil((soFar) => soFar.trimEnd().endsWith("}")));
  assertEquals(shown.models, ["synth-small", "synth-medium", "synth-experimental", "synth-demo"]);
});

Deno.test("synth config show tells values and origins, and masks what may be secret", async () => {
  await using home = await temporaryDirectory();
  const file = `${home.path}/synth.toml`;
  await Deno.writeTextFile(
    file,
    '[gateway]\nport = 1234\n[upstreams.u]\nbase_url = "http://u"\nheaders = { x-key = "CANARY" }\n',
  );
  const env = { SYNTH_HOME: home.path, SYNTH_GATEWAY_LOG_LEVEL: "warn", SYNTH_GATEWAY_PROT: "1" };
  const text = await runSynth(["config", "show", "--origin"], { env });
  assertEquals(text.code, 0);
  const line = (key: string) =>
    text.stdout.split("\n").find((found) => found.startsWith(`${key} `))?.replace(/ +/g, " ");
  assertEquals(line("gateway.port"), `gateway.port = 1234 # user ${file}:2`);
  assertEquals(
    line("gateway.log_level"),
    'gateway.log_level = "warn" # env SYNTH_GATEWAY_LOG_LEVEL',
  );
  assertEquals(line("gateway.host"), 'gateway.host = "127.0.0.1" # default');
  assertStringIncludes(text.stderr, "did you mean SYNTH_GATEWAY_PORT?");
  const json = await runSynth(["config", "show", "--json", "--origin"], { env });
  const { files, settings } = JSON.parse(json.stdout);
  assertEquals(files, [file]);
  assertEquals(settings[1], {
    key: "gateway.port",
    value: 1234,
    origin: { kind: "user", name: file, line: 2, column: 1 },
  });
  assertNotMatch(text.stdout + text.stderr + json.stdout + json.stderr, /CANARY/);
});

Deno.test("synth up asks for trust in a project's file, and again when it changed", async () => {
  await using root = await temporaryDirectory();
  const [home, project] = [`${root.path}/home`, `${root.path}/project/deep`];
  await Deno.mkdir(project, { recursive: true });
  const file = `${root.path}/project/synth.toml`;
  const content = '[gateway]\nport = 0\n[upstreams.u]\nbase_url = "http://127.0.0.1:1"\n';
  await Deno.writeTextFile(file, content);
  const options = { env: { SYNTH_HOME: home }, cwd: project };
  const untrusted = await runSynth(["up"], options);
  assertEquals(untrusted.code, 2);
  assertStringIncludes(untrusted.stderr, `${file}:4:1: upstreams.u.base_url`);
  assertStringIncludes(untrusted.stderr, "[untrusted_config]");
  assertStringIncludes(untrusted.stderr, `synth config trust ${file}`);

  const trust = await runSynth(["config", "trust"], options);
  assertEquals([trust.code, trust.stdout], [0, `${file}\n`]);
  assertStringIncludes(trust.stderr, 'upstreams.u.base_url = "http://127.0.0.1:1"');
  if (Deno.build.os !== "windows") {
    assertEquals(((await Deno.stat(`${home}/trust.json`)).mode ?? 0) & 0o777, 0o600);
  }
  assertEquals((await runSynth(["config", "show"], options)).code, 0);

  await Deno.writeTextFile(file, `${content}profile = "groq"\n`);
  assertEquals((await runSynth(["config", "show"], options)).code, 2);
  assertEquals((await runSynth(["config", "show", "--config", file], options)).code, 0);

  assertEquals((await runSynth(["config", "trust", "../synth.toml"], options)).code, 0);
  assertEquals((await runSynth(["config", "show"], options)).code, 0);
  const removed = await runSynth(["config", "trust", "--remove", "--json"], options);
  assertEquals(JSON.parse(removed.stdout), { path: file, trusted: false, guarded: [] });
  assertEquals((await runSynth(["config", "show"], options)).code, 2);
  assertEquals((await runSynth(["config", "trust", "--remove"], options)).code, 3);
});

Deno.test("synth answers wrong usage with 2 and the nearest word", async () => {
  await using home = await temporaryDirectory();
  const env = { SYNTH_HOME: home.path };
  const cases: [string[], number, string][] = [
    [["verison"], 2, 'Did you mean "version"?'],
    [["config", "shwo"], 2, 'Did you mean "show"?'],
    [["up", "--prot", "1"], 2, "did you mean --port?"],
    [["up", "--port", "70000"], 2, "a port is a number from 0 to 65535"],
    [["up", "extra"], 2, "[usage]"],
    [["config", "show", "--config", "missing.toml"], 3, "[config_not_found]"],
  ];
  for (const [args, code, text] of cases) {
    const result = await runSynth(args, { env });
    assertEquals([result.code, result.stdout], [code, ""], args.join(" "));
    assertStringIncludes(result.stderr, text);
    assertEquals(result.stderr.includes("\x1b["), false, "no colours without a terminal");
  }
});

Deno.test("synth shows help and its version, also under the name synth-ai", async () => {
  const help = await runSynth(["--help"]);
  assertEquals(help.code, 0);
  for (const text of ["EXAMPLES", "synth up", "127 missing program"]) {
    assertStringIncludes(help.stdout, text);
  }
  const alias = await runSynth(["--help"], { entry: "synth_ai.ts" });
  assertStringIncludes(alias.stdout, "synth-ai config init|show|trust");
  const { stdout } = await runSynth(["--version"]);
  assertEquals(stdout.startsWith("synth 0."), true);
  assertEquals(typeof JSON.parse((await runSynth(["version", "--json"])).stdout).version, "string");
});
