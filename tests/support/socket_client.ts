/** A client of the Responses API over a WebSocket: Deno's own, with the events of each turn checked. @module */
import { checkEvents } from "./response_invariants.ts";
import { isRecord, type Rec } from "./response_shape.ts";

/** A connection. Disposing closes it and waits until it is closed. */
export interface SocketClient extends AsyncDisposable {
  /** Sends an object as JSON, anything else as it is. */
  send(event: Rec | string | Uint8Array<ArrayBuffer>): void;
  /** The events of the next turn, up to the one that ends it. Rejects when the connection ends first, or when they break the stream's grammar. */
  turn(): Promise<Rec[]>;
  /** Sends `response.create` and gives the turn. */
  create(fields: Rec): Promise<Rec[]>;
  /** The next event. */
  next(): Promise<Rec>;
  readonly closed: Promise<{ code: number; reason: string }>;
  close(): void;
}

/** Opens one. Rejects when the upgrade is refused. */
export async function openSocket(
  origin: string,
  headers: Record<string, string>,
  path = "/v1/responses",
): Promise<SocketClient> {
  const socket = new WebSocket(origin.replace("http", "ws") + path, { headers });
  const events: Rec[] = [];
  const closed = Promise.withResolvers<{ code: number; reason: string }>();
  const opened = Promise.withResolvers<void>();
  let over = false;
  let wake = Promise.withResolvers<void>();
  function rouse(): void {
    wake.resolve();
    wake = Promise.withResolvers();
  }
  socket.addEventListener("open", () => opened.resolve());
  socket.addEventListener("error", (event) => {
    opened.reject(new Error("message" in event ? String(event.message) : "no socket"));
  });
  socket.addEventListener("message", ({ data }) => {
    events.push(JSON.parse(data));
    rouse();
  });
  socket.addEventListener("close", ({ code, reason }) => {
    over = true;
    closed.resolve({ code, reason });
    rouse();
  });
  await opened.promise;

  async function next(): Promise<Rec> {
    while (events.length === 0) {
      if (over) throw new Error("the connection ended");
      await wake.promise;
    }
    return events.shift()!;
  }
  async function turn(): Promise<Rec[]> {
    const taken: Rec[] = [];
    do taken.push(await next()); while (!endsTurn(taken.at(-1)));
    const problems = taken[0]?.type === "error" ? errorProblems(taken[0]) : checkEvents(taken);
    if (problems.length > 0) throw new Error(problems.join("\n"));
    return taken;
  }
  const client: SocketClient = {
    send: (event) =>
      socket.send(
        typeof event === "string" || event instanceof Uint8Array ? event : JSON.stringify(event),
      ),
    turn,
    create(fields) {
      client.send({ type: "response.create", ...fields });
      return turn();
    },
    next,
    closed: closed.promise,
    close: () => socket.close(),
    async [Symbol.asyncDispose]() {
      socket.close();
      await closed.promise;
    },
  };
  return client;
}

/** The response of a turn's last event. */
export function responseOf(events: readonly Rec[]): Rec {
  const response = events.at(-1)?.response;
  if (!isRecord(response)) throw new Error(`no response: ${JSON.stringify(events.at(-1))}`);
  return response;
}

/** The error of a turn that was refused. */
export function errorOf(events: readonly Rec[]): Rec {
  const error = events.at(-1)?.error;
  if (!isRecord(error)) throw new Error(`no error: ${JSON.stringify(events.at(-1))}`);
  return error;
}

function endsTurn(event: Rec | undefined): boolean {
  return /^(?:error|response\.(?:completed|incomplete|failed))$/.test(String(event?.type));
}

/** The protocol's shape of an error. */
function errorProblems(event: Rec): string[] {
  const { status, error } = event;
  const good = Number.isInteger(status) && isRecord(error) && typeof error.code === "string" &&
    typeof error.message === "string" && typeof error.type === "string";
  return good ? [] : [`not an error frame: ${JSON.stringify(event)}`];
}
