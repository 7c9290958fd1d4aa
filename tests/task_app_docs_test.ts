import { assert, assertStringIncludes } from "@std/assert";

const PAGE = new URL("../docs/task-apps.md", import.meta.url).pathname;
const ROOT = new URL("..", import.meta.url).pathname;

Deno.test("docs/task-apps.md runs as written, and prints what its comments say", async () => {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["test", "--doc", "--no-lock", "--allow-net=127.0.0.1", "--allow-env", PAGE],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  });
  const { success, stdout, stderr } = await command.output();
  const output = new TextDecoder().decode(stdout);
  assert(success, output + new TextDecoder().decode(stderr));
  const text = await Deno.readTextFile(PAGE);
  const promised = [...text.matchAll(/console\.log\(.*; \/\/ (.+)$/gm)];
  assert(promised.length >= 5, "each snippet says what it prints");
  for (const [, line = ""] of promised) assertStringIncludes(output, `\n${line}\n`);
});
