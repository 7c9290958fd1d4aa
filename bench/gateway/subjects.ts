/** What is measured: the pass-through and the real `synth up`, and the same question in the words of each. @module */
import { installClient } from "../../tests/support/install.ts";
import { post, type Target } from "./load.ts";
import { startSubject, type Subject } from "./processes.ts";

/** A server under test. */
export interface Contender extends AsyncDisposable {
  readonly name: string;
  readonly subject: Subject;
  /** A request that the upstream answers as `mode` says. */
  target(mode: Mode, options?: Question): Target;
}

/** What is asked. */
export interface Question {
  readonly stream?: boolean;
  readonly promptBytes?: number;
  /** Whether the answer is stored, which only a gateway does. @default {false} */
  readonly store?: boolean;
}

/** The answers that the upstream can give; see `mock_upstream.ts`. */
export type Mode = "json-400" | "json-10k" | "sse-short" | "sse-burst" | "sse-paced" | "sse-idle";

const MODES: readonly Mode[] = [
  "json-400",
  "json-10k",
  "sse-short",
  "sse-burst",
  "sse-paced",
  "sse-idle",
];
const KEY = "sk-synth-bench-0123456789abcdef0123456789abcdef";

/** Bare Hono. */
export async function startPassThrough(
  upstream: Subject,
  core: number | null,
  logs: string,
): Promise<Contender> {
  const file = new URL("./pass_through.ts", import.meta.url);
  const permissions = ["--allow-net", "--allow-env"];
  const subject = await startSubject({
    args: ["run", "--quiet", ...permissions, file.href, upstream.origin],
    core,
    stderr: `${logs}/pass_through.log`,
  });
  return {
    name: "pass-through",
    subject,
    target(mode, { stream = false, promptBytes = 400 } = {}) {
      const messages = [{ role: "user", content: prompt(promptBytes) }];
      const request = post(`/${mode}/v1/chat/completions`, { model: mode, messages, stream });
      return { hostname: subject.hostname, port: subject.port, request };
    },
    [Symbol.asyncDispose]: () => subject[Symbol.asyncDispose](),
  };
}

/** `synth up` as users start it: SQLite, a key, an active session under a cost limit, prices, a log. */
export async function startSynthGateway(
  upstream: Subject,
  core: number | null,
  logs: string,
): Promise<Contender> {
  const home = `${logs}/home`;
  await Deno.mkdir(home, { mode: 0o700 });
  const config = `${logs}/synth.toml`;
  await Deno.writeTextFile(config, configText(upstream.origin));
  const main = new URL("../../cli/main.ts", import.meta.url);
  const permissions = ["net", "env", "read", "write", "sys"].map((name) => `--allow-${name}`);
  const subject = await startSubject({
    args: ["run", "--quiet", ...permissions, main.href, "up", "--port", "0", "--config", config],
    core,
    env: { SYNTH_HOME: home, SYNTH_API_KEY: KEY },
    stderr: `${logs}/synth.log`,
  });
  return {
    name: "synth",
    subject,
    target(mode, { stream = false, promptBytes = 400, store = false } = {}) {
      const body = { model: mode, input: prompt(promptBytes), stream, store };
      const request = post("/v1/responses", body, { authorization: `Bearer ${KEY}` });
      return { hostname: subject.hostname, port: subject.port, request };
    },
    [Symbol.asyncDispose]: () => subject[Symbol.asyncDispose](),
  };
}

/** Portkey's gateway: no keys, no budgets, no translation, one upstream named in the headers. */
export async function startPortkey(
  upstream: Subject,
  core: number | null,
  logs: string,
): Promise<Contender> {
  const dir = await installClient("portkey");
  const script = `${dir}/node_modules/@portkey-ai/gateway/build/start-server.js`;
  const port = freePort();
  const subject = await startSubject({
    program: "node",
    args: [script, `--port=${port}`, "--headless"],
    core,
    port,
    stderr: `${logs}/portkey.log`,
  });
  return {
    name: "Portkey",
    subject,
    target(mode, { stream = false, promptBytes = 400 } = {}) {
      const messages = [{ role: "user", content: prompt(promptBytes) }];
      const request = post("/v1/chat/completions", { model: mode, messages, stream }, {
        authorization: "Bearer nobody",
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": `${upstream.origin}/${mode}/v1`,
      });
      return { hostname: subject.hostname, port: subject.port, request };
    },
    [Symbol.asyncDispose]: () => subject[Symbol.asyncDispose](),
  };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

function configText(upstream: string): string {
  const models = MODES.map((mode) => `
[upstreams.${mode}]
base_url = "${upstream}/${mode}/v1"
[models."${mode}"]
upstream = "${mode}"
price = { input = 0.075, cached_input = 0.0375, output = 0.30 }
context_window = 131072
max_output_tokens = 4096
`);
  return `[sessions]\ndefault_limit_cost_usd = 100000\n${models.join("")}`;
}

function prompt(bytes: number): string {
  return "prompt ".repeat(bytes / 7);
}
