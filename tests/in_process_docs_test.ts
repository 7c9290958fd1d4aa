import { assert, assertStringIncludes } from "@std/assert";
import { temporaryDirectory } from "./support/synth_process.ts";

const PAGE = new URL("../docs/sdk/in-process-task-app.md", import.meta.url).pathname;
const ROOT = new URL("..", import.meta.url).pathname;

Deno.test("docs/sdk/in-process-task-app.md runs as written, and prints what its comments say", async () => {
  await using home = await temporaryDirectory();
  const permissions = ["net=127.0.0.1", "env", "read", "write", "sys", "run"];
  const command = new Deno.Command(Deno.execPath(), {
    args: ["test", "--doc", "--no-lock", ...permissions.map((name) => `--allow-${name}`), PAGE],
    cwd: ROOT,
    env: { NO_COLOR: "1", SYNTH_HOME: home.path },
  });
  const { success, stdout, stderr } = await command.output();
  const output = new TextDecoder().decode(stdout);
  assert(success, output + new TextDecoder().decode(stderr));
  assertStringIncludes(output, '200 {"healthy":true}');
});
