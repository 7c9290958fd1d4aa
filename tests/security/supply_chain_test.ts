/** What is installed: pinned with its digest, without install scripts, under licences that are known (PYSEC-2026-2, CVE-2026-114612, CVE-2026-40217). */
import { assert, assertEquals } from "@std/assert";
import { isRecord, type Rec } from "../support/response_shape.ts";

const ROOT = new URL("../../", import.meta.url);

async function readJson(name: string): Promise<Rec> {
  const value: unknown = JSON.parse(await Deno.readTextFile(new URL(name, ROOT)));
  assert(isRecord(value));
  return value;
}

/** Tasks that only this project's own people and CI run, over its own tests: the shells and browsers of the tests need all. */
const WITH_ALL = new Set([
  "ok",
  "test:clients",
  "test:laws",
  "test:browser",
  "test:workers",
  "bench",
  "conformance",
]);

Deno.test("every package is pinned with its digest, and none runs a script when it is installed", async () => {
  const lock = await readJson("deno.lock");
  const packages = Object.entries(lock.npm as Record<string, Rec>);
  assert(packages.length > 20, String(packages.length));
  for (const [name, entry] of packages) {
    assert(/^sha512-[A-Za-z0-9+/]{86}==$/.test(String(entry.integrity)), `${name} has no digest`);
  }
  const scripts = packages.filter(([, entry]) => entry.scripts === true).map(([name]) => name);
  const config = await readJson("deno.json");
  // Deno runs none unless `allowScripts` says so.
  assertEquals(config.allowScripts, undefined, `would run: ${scripts}`);
  assertEquals(config.nodeModulesDir, "none");
});

Deno.test("every dependency is pinned to one version", async () => {
  const { imports } = await readJson("deno.json");
  for (const [name, target] of Object.entries(imports as Record<string, string>)) {
    const pinned = /^npm:(?:@[a-z0-9-]+\/)?[a-z0-9.-]+@\d+\.\d+\.\d+(?:-[a-z0-9.]+)?(?:\/.*)?$/
      .test(target);
    // The standard library comes from the stand-ins in compat/, by `links`.
    assert(pinned || /^jsr:@std\/[a-z-]+@\^\d/.test(target), `${name}: ${target}`);
  }
});

Deno.test("the tasks that people are given ask for the permissions they need", async () => {
  const { tasks } = await readJson("deno.json");
  const all = Object.entries(tasks as Record<string, string>)
    .filter(([, command]) => /\s(?:-A|--allow-all)\b/.test(command)).map(([name]) => name);
  assertEquals(all.filter((name) => !WITH_ALL.has(name)), []);
  for (const name of ["start", "test", "chaos", "fuzz", "build:worker"]) {
    assert(/--allow-/.test(String((tasks as Rec)[name])), name);
  }
});

Deno.test("every package of the gateway, as far as it is installed, has a licence that is known", async () => {
  const known =
    /^\(?(?:MIT|ISC|Apache-2\.0|BSD-[23]-Clause|0BSD|BlueOak-1\.0\.0|CC0-1\.0|Unlicense|Python-2\.0|MPL-2\.0|CC-BY-4\.0)(?: (?:OR|AND) [A-Za-z0-9.-]+)*\)?$/;
  const command = new Deno.Command(Deno.execPath(), {
    args: ["info", "--json"],
    cwd: ROOT,
    stdout: "piped",
    stderr: "null",
  });
  const { stdout } = await command.output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  const lock = await readJson("deno.lock");
  let looked = 0;
  const odd: string[] = [];
  for (const id of Object.keys(lock.npm as Rec)) {
    const [, name = "", version = ""] = /^(@?[^@]+)@([^_]+)/.exec(id) ?? [];
    for (const host of await entries(npmCache)) {
      const file = `${npmCache}/${host}/${name}/${version}/package.json`;
      const text = await Deno.readTextFile(file).catch(() => null);
      if (text === null) continue;
      looked++;
      const { license, licenses } = JSON.parse(text);
      const said = typeof license === "string" ? license : license?.type ?? licenses?.[0]?.type;
      if (!known.test(String(said))) odd.push(`${id}: ${said}`);
    }
  }
  assert(looked > 10, `only ${looked} packages are installed`);
  assertEquals(odd, []);
});

async function entries(directory: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if (isDirectory) names.push(name);
  }
  return names;
}
