/**
 * Runs a task app until a signal, for the tests. Prints a line of JSON for each thing that happens.
 *
 *     run_app.ts HOME [hang|listener|every-address]
 *
 * @module
 */
import { silentLogger } from "@synth/core";
import { ServiceRecords } from "../../records/service_records.ts";
import type { OpenTunnel, TunnelOpener } from "../../tunnels/port.ts";
import { InProcessTaskApp } from "../in_process_task_app.ts";

const [home = "", how = ""] = Deno.args;

/** Stands for cloudflared: a real child process. */
const tunnels: TunnelOpener = {
  fixedAddress: () => Promise.resolve(null),
  open: ({ mode }) => {
    const child = new Deno.Command("sleep", { args: ["600"] }).spawn();
    const exited = child.status.then(({ code }) => ({ code, reason: "ended" }));
    const close = async () => {
      child.kill("SIGTERM");
      await child.status;
    };
    say({ child: child.pid });
    const tunnel: OpenTunnel = {
      url: "https://a.trycloudflare.com",
      hostname: "a.trycloudflare.com",
      mode,
      recordId: null,
      accessHeaders: () => ({}),
      exited,
      close,
      [Symbol.asyncDispose]: close,
    };
    return Promise.resolve(tunnel);
  },
};

if (how === "listener") Deno.addSignalListener("SIGINT", () => say({ chained: true }));
const app = await InProcessTaskApp.start({
  app: () => new Response(),
  apiKey: null,
  port: 0,
  host: how === "every-address" ? "0.0.0.0" : "127.0.0.1",
  tunnels,
  env: () => undefined,
  records: new ServiceRecords({ home }),
  stopTimeoutMs: 60_000,
  log: silentLogger,
  onStop: () => {
    say({ stopping: true });
    return how === "hang" ? new Promise<void>(() => {}) : undefined;
  },
});
say({ url: app.url, local: app.localUrl, port: app.port });

function say(what: unknown): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(what)}\n`));
}
