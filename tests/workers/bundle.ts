/** The bundle and its configuration, as `wrangler deploy` would send them. Run by `deno task test:workers`. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { buildWorker, MAX_GZIP_BYTES } from "../../gateway/runtime/build_worker.ts";
import { installClient } from "../support/install.ts";
import { temporaryDirectory } from "../support/synth_process.ts";

Deno.test("wrangler takes the configuration and the bundle (dry run)", async () => {
  await using home = await temporaryDirectory();
  const tools = await installClient("wrangler");
  await Deno.mkdir(`${home.path}/dist`);
  const built = await buildWorker(`${home.path}/dist/worker.js`);
  assert(built.gzipBytes <= MAX_GZIP_BYTES);
  await Deno.copyFile(
    new URL("../../wrangler.jsonc", import.meta.url),
    `${home.path}/wrangler.jsonc`,
  );
  const { success, stdout, stderr } = await new Deno.Command("node", {
    args: [`${tools}/node_modules/wrangler/bin/wrangler.js`, "deploy", "--dry-run"]
      .concat("--outdir", `${home.path}/out`),
    cwd: home.path,
    clearEnv: true,
    env: {
      PATH: Deno.env.get("PATH") ?? "",
      HOME: home.path,
      CI: "1",
      NO_COLOR: "1",
      WRANGLER_SEND_METRICS: "false",
    },
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert(success, said);
  assert(/Total Upload: .* gzip: /.test(said), said);
  assert(!said.includes("WARNING"), said);
  assertEquals(
    await Deno.readTextFile(`${home.path}/out/worker.js`),
    await Deno.readTextFile(`${home.path}/dist/worker.js`),
  );
});

Deno.test("buildWorker fails where it cannot write", async () => {
  await assertRejects(() => buildWorker("/dev/null/worker.js"), Error, "deno bundle");
});
