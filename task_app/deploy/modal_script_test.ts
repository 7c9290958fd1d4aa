import { assert, assertEquals, assertThrows } from "@std/assert";
import { SynthError } from "@synth/core";
import fc from "fast-check";
import { type ModalDeploymentInput, parseModalConfig } from "./modal_config.ts";
import { modalScript } from "./modal_script.ts";
import { pythonFloat, pythonString } from "./python_literal.ts";

const text = fc.string({ unit: "binary", maxLength: 40 });
const hostile = fc.oneof(
  text,
  fc.constantFrom(
    '"""',
    "'''",
    "\\",
    '\\"',
    'a"); import os; os.system("touch x") #',
    "\n\r\u2028\u0000",
    "{x!r}",
    "%s",
    "💥é\ud800",
  ),
);

/** What Python reads: each line of standard input is a literal, each line of the answer its UTF-16 units. */
const READ = `
import ast, json, sys
for line in sys.stdin:
    value = ast.literal_eval(line.strip())
    sys.stdout.write(json.dumps(value) + "\\n")
`;

async function python(args: string[], stdin = ""): Promise<string> {
  const child = new Deno.Command("python3", {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [output] = await Promise.all([
    child.output(),
    new Blob([stdin]).stream().pipeTo(child.stdin),
  ]);
  assert(output.success, new TextDecoder().decode(output.stderr));
  return new TextDecoder().decode(output.stdout);
}

Deno.test("pythonString is read by Python as the very text", async () => {
  const texts = fc.sample(hostile, { numRuns: 2000, seed: 7 });
  const lines = texts.map((one) => `${pythonString(one)}\n`).join("");
  assert(/^[\n\x20-\x7e]*$/.test(lines));
  const answers = (await python(["-c", READ], lines)).trimEnd().split("\n");
  assertEquals(answers.map((line) => JSON.parse(line)), texts);
});

Deno.test("pythonFloat writes floats", () => {
  assertEquals([2, 0.125, 64].map(pythonFloat), ["2.0", "0.125", "64.0"]);
});

Deno.test("modalScript compiles whatever the paths and names hold, and says nothing but what it was told", async () => {
  const directory = await Deno.makeTempDir({ prefix: "synth-modal-" });
  try {
    const scripts = fc.sample(
      fc.record({
        project: hostile,
        file: hostile,
        denoConfig: fc.option(hostile),
        runner: hostile,
        job: hostile,
        local: hostile,
      }),
      { numRuns: 200, seed: 11 },
    );
    for (const [index, { project, file, denoConfig, runner, job, local }] of scripts.entries()) {
      const script = modalScript({
        config: parseModalConfig({
          appName: "app",
          secretNames: ["a", "b"],
          pipPackages: ["numpy>=1,<3"],
          volumeMounts: [{ name: "v", path: "/data/ \"'" }],
          extraLocalDirs: local === "" ? [] : [{ local, remote: "/more" }],
        }),
        project,
        file,
        denoConfig,
        runner,
        job,
        permissions: ["--allow-net"],
        denoVersion: "2.9.6",
      });
      await Deno.writeTextFile(`${directory}/s${index}.py`, script);
    }
    await python(["-m", "py_compile", ...scripts.map((_, index) => `${directory}/s${index}.py`)]);
    // The same statements in every script: no text of ours has become one.
    const shape = `
import ast, sys
for name in sys.argv[1:]:
    tree = ast.parse(open(name).read())
    print([type(one).__name__ for one in tree.body], len([n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.Name))]) < 40)
`;
    const names = scripts.map((_, index) => `${directory}/s${index}.py`);
    const shapes = new Set((await python(["-c", shape, ...names])).trim().split("\n"));
    assertEquals([...shapes], [
      "['Import', 'Import', 'Import', 'Assign', 'Assign', 'FunctionDef'] True",
    ]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("parseModalConfig has the documented defaults, and no container that always costs", () => {
  assertEquals(parseModalConfig({ appName: "app" }), {
    appName: "app",
    pythonVersion: "3.11",
    pipPackages: [],
    extraLocalDirs: [],
    secretNames: [],
    volumeMounts: [],
    timeoutS: 600,
    memoryMib: 4096,
    cpu: 2,
    minContainers: 0,
    maxContainers: 4,
  });
});

Deno.test("parseModalConfig refuses what could mean something else", () => {
  const wrong: ModalDeploymentInput[] = [
    { appName: "" },
    { appName: "a b" },
    { appName: `ap-${"a".repeat(22)}` },
    { appName: "a", pipPackages: ["--index-url=x"] },
    { appName: "a", pipPackages: ["a; import os"] },
    { appName: "a", pipPackages: ["git+https://x"] },
    { appName: "a", secretNames: ['"'] },
    { appName: "a", volumeMounts: [{ name: "v", path: "data" }] },
    { appName: "a", volumeMounts: [{ name: "v", path: "/a/../b" }] },
    { appName: "a", minContainers: 5 },
    { appName: "a", timeoutS: 0 },
    { appName: "a", cpu: Number.NaN },
  ];
  for (const input of wrong) {
    const error = assertThrows(() => parseModalConfig(input), SynthError);
    assertEquals([error.code, error.exitCode], ["invalid_modal_config", 2], JSON.stringify(input));
  }
});
