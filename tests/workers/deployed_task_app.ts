/** What `synth deploy --runtime worker` builds, in real workerd and for the real wrangler. Run by `deno task test:workers`. */
import { assert, assertEquals } from "@std/assert";
import { DEPLOY_KEY, DeployRoom } from "../support/deploy_room.ts";
import { runWorker } from "../support/edge.ts";
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

  await using worker = await runWorker(built.file, {
    bindings: { ENVIRONMENT_API_KEY: DEPLOY_KEY },
    config,
  });
  const [origin] = worker.origins;
  const ask = async (path: string, key: string, body?: unknown) => {
    const response = await fetch(`${origin}${path}`, {
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
});
