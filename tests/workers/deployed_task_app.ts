/** What `synth deploy --runtime worker` builds, in real workerd and for the real wrangler. Run by `deno task test:workers`. */
import { assert, assertEquals } from "@std/assert";
import { DEPLOY_KEY, DeployRoom } from "../support/deploy_room.ts";
import { installClient } from "../support/install.ts";

Deno.test("the Worker of synth deploy answers in workerd, and wrangler takes its configuration", async () => {
  await using room = await DeployRoom.make();
  const [tools, built] = await Promise.all([
    installClient("wrangler"),
    room.json<{ file: string; directory: string }>([
      ...["app.ts", "--runtime", "worker", "--dry-run", "--out", "built"],
    ]),
  ]);
  const config = JSON.parse(await Deno.readTextFile(`${built.directory}/wrangler.jsonc`));
  const dry = await new Deno.Command("node", {
    args: [
      `${tools}/node_modules/wrangler/bin/wrangler.js`,
      ...["deploy", "--dry-run", "--config", `${built.directory}/wrangler.jsonc`],
    ],
    env: { WRANGLER_SEND_METRICS: "false", CI: "1" },
    stdin: "null",
  }).output();
  assert(dry.success, new TextDecoder().decode(dry.stderr));

  const driver = new URL("../support/miniflare_driver.mjs", import.meta.url);
  await using child = new Deno.Command("node", {
    args: [driver.pathname],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const input = child.stdin.getWriter();
  const options = {
    tools,
    instances: 1,
    scriptPath: built.file,
    bindings: { ENVIRONMENT_API_KEY: DEPLOY_KEY },
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: config.compatibility_flags,
  };
  await input.write(new TextEncoder().encode(`${JSON.stringify(options)}\n`));
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!said.includes("\n")) said += (await reader.read()).value ?? "\n";
  const [origin] = JSON.parse(said.split("\n")[0] ?? "[]");
  const ask = async (path: string, key: string, body?: unknown) => {
    const response = await fetch(origin + path, {
      headers: { "x-api-key": key },
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  };
  assertEquals((await ask("/health", "another")).status, 401);
  assertEquals((await ask("/health", DEPLOY_KEY)).body.service, "echo");
  assertEquals((await ask("/info", DEPLOY_KEY)).body.service.task.id, "echo");
  const rollout = { run_id: "r", env: {}, policy: {}, mode: "eval" };
  assertEquals((await ask("/rollout", DEPLOY_KEY, rollout)).body.metrics.mean_return, 1);
  await input.close();
  while (!(await reader.read()).done);
  assert((await child.status).success);
});
