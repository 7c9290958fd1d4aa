/** Several gateways in processes of their own that share their books. @module */
import { startSynth, type SynthProcess, temporaryDirectory } from "./synth_process.ts";
import type { Rec } from "./response_shape.ts";
import { parseSseText } from "./sse_text.ts";

const KEY = "sk-synth-budget-0123456789abcdef0123456789ab";

/** The gateways. Disposing kills them and removes their state. */
export interface BudgetGateways extends AsyncDisposable {
  readonly origins: readonly string[];
  readonly home: string;
  /** Sends a request with the key to the n-th gateway. */
  ask(n: number, method: string, path: string, body?: unknown, headers?: Rec): Promise<Response>;
  /** Kills the n-th gateway with SIGKILL. */
  kill(n: number): Promise<void>;
  /** Starts one more on the same state, and gives its number. */
  add(): Promise<number>;
}

/** How they are started. */
export interface BudgetGatewayOptions {
  readonly config: string;
  readonly count: number;
  /** @default {SQLite in the shared home} */
  readonly redisUrl?: string;
}

/** Starts them and waits until all listen. */
export async function startGateways(options: BudgetGatewayOptions): Promise<BudgetGateways> {
  const stack = new AsyncDisposableStack();
  const home = stack.use(await temporaryDirectory());
  const config = `${home.path}/synth.toml`;
  const store = options.redisUrl === undefined ? "sqlite" : "redis";
  await Deno.writeTextFile(
    config,
    options.config.replace("[gateway]", `[gateway]\nstore = "${store}"\nstore_deadline_s = 20`),
  );
  const processes: SynthProcess[] = [];
  const origins: string[] = [];
  async function add(): Promise<number> {
    const process = startSynth(["up", "--port", "0", "--json", "--config", config], {
      env: {
        SYNTH_HOME: home.path,
        SYNTH_API_KEY: KEY,
        ...(options.redisUrl === undefined ? {} : { REDIS_URL: options.redisUrl }),
      },
    });
    stack.use(process);
    const n = processes.push(process) - 1;
    const said = await process.stdoutUntil((text) => text.endsWith("}\n"));
    origins[n] = String(JSON.parse(said).url);
    return n;
  }
  try {
    // The first makes the files, as on any machine.
    await add();
    await Promise.all(Array.from({ length: options.count - 1 }, add));
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
  return {
    origins,
    home: home.path,
    ask: (n, method, path, body, headers = {}) =>
      fetch(`${origins[n % origins.length]}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${KEY}`,
          "content-type": "application/json",
          ...headers as Record<string, string>,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    async kill(n) {
      processes[n]?.child.kill("SIGKILL");
      await processes[n]?.result;
    },
    add,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Opens a session over the API; limits as the API writes them. */
export async function openSession(
  gateways: Pick<BudgetGateways, "ask">,
  limits: Rec,
): Promise<string> {
  const response = await gateways.ask(0, "POST", "/api/v1/sessions", {
    make_active: false,
    limits: Object.entries(limits).map(([metric_type, limit_value]) => ({
      limit_type: "hard",
      metric_type,
      limit_value,
    })),
  });
  const body = await response.json();
  if (response.status !== 201) throw new Error(JSON.stringify(body));
  return body.session_id;
}

/** What one request came to. */
export interface Answered {
  readonly status: number;
  /** The response object, or the error. */
  readonly body: Rec;
  readonly headers: Headers;
}

/** Sends a Responses request and reads its answer to the end. */
export async function respond(
  gateways: Pick<BudgetGateways, "ask">,
  n: number,
  session: string,
  body: Rec,
): Promise<Answered> {
  const response = await gateways.ask(n, "POST", "/v1/responses", body, {
    "x-synth-session-id": session,
  });
  const { status, headers } = response;
  const text = await response.text();
  if (!(headers.get("content-type") ?? "").startsWith("text/event-stream")) {
    return { status, headers, body: JSON.parse(text) };
  }
  const events = parseSseText(text);
  const last = events.filter((event) =>
    /^response\.(?:completed|incomplete|failed)$/.test(String(event.type))
  );
  if (last.length !== 1) throw new Error(`${last.length} terminal events:\n${text.slice(-2000)}`);
  return { status, headers, body: last[0]?.response as Rec };
}
