/** A task app in real workerd, through miniflare. Run by `deno task test:workers`. */
import { assert, assertEquals } from "@std/assert";
import { runWorker, wranglerConfig } from "../support/edge.ts";
import { temporaryDirectory } from "../support/synth_process.ts";

const KEY = "edge-key-0123456789";

Deno.test("a task app answers in workerd as it does in Deno", async () => {
  await using directory = await temporaryDirectory();
  const scriptPath = `${directory.path}/worker.js`;
  await bundle(scriptPath);
  await using worker = await runWorker(scriptPath, {
    bindings: { ENVIRONMENT_API_KEY: KEY },
    config: await wranglerConfig(),
  });
  const [origin] = worker.origins;

  const ask = async (path: string, body?: unknown, key: string = KEY) => {
    const response = await fetch(`${origin}${path}`, {
      headers: { "x-api-key": key },
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json(), headers: response.headers };
  };
  const rollout = { run_id: "r", env: {}, policy: {}, mode: "eval" };
  assertEquals((await ask("/livez", undefined, "")).body, { status: "ok" });
  const refused = await ask("/health", undefined, "wrong");
  assertEquals([refused.status, refused.body.error.code], [401, "unauthorised"]);
  assert(refused.headers.get("x-request-id")?.startsWith("req_"));
  assertEquals((await ask("/task_info?seed=3")).body.task.id, "edge-3");
  assertEquals((await ask("/rollout", rollout)).body.metrics.mean_return, 1);
  const rl = await ask("/rollout", { ...rollout, mode: "rl" });
  assertEquals([rl.status, rl.body.error.code], [500, "invalid_rollout_response"]);
  const slow = await ask("/rollout", { ...rollout, run_id: "slow", safety: { max_time_s: 0.05 } });
  assertEquals([slow.status, slow.body.error.code], [504, "rollout_timed_out"]);
});

async function bundle(path: string): Promise<void> {
  const entry = new URL("../support/task_app_worker.ts", import.meta.url);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform", "browser", "-o", path, entry.pathname],
    cwd: new URL("../..", import.meta.url),
  }).output();
  assert(success, new TextDecoder().decode(stderr));
}
