/** Servers on neighbouring ports, for scans. @module */

/** A handler, or a server that takes connections and never answers. */
export type RowServer = Deno.ServeHandler | "hangs";

/** The servers. */
export interface Row extends AsyncDisposable {
  readonly first: number;
  readonly ports: readonly number[];
  /** Resolves when a server that hangs was connected to. */
  readonly accepted: Promise<void>;
}

/** Starts the servers on ports that follow one another, wherever there is room. */
export async function listenInRow(servers: readonly RowServer[]): Promise<Row> {
  for (let tries = 0; tries < 200; tries++) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    const row = await tryRow(servers, first);
    if (row !== null) return row;
  }
  throw new Error("no free ports in a row");
}

async function tryRow(servers: readonly RowServer[], first: number): Promise<Row | null> {
  const stack = new AsyncDisposableStack();
  const accepted = Promise.withResolvers<void>();
  try {
    servers.forEach((server, i) => {
      const options = { hostname: "127.0.0.1", port: first + i };
      if (server === "hangs") stack.use(hang(options, accepted.resolve));
      else {
        const running = Deno.serve({ ...options, onListen: () => {} }, server);
        stack.defer(() => running.shutdown());
      }
    });
  } catch (error) {
    await stack.disposeAsync();
    if (error instanceof Deno.errors.AddrInUse) return null;
    throw error;
  }
  return {
    first,
    ports: servers.map((_, i) => first + i),
    accepted: accepted.promise,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function hang(options: Deno.TcpListenOptions, onAccept: () => void): AsyncDisposable {
  const listener = Deno.listen(options);
  const connections: Deno.TcpConn[] = [];
  const loop = (async () => {
    for await (const connection of listener) {
      connections.push(connection);
      // A port scan opens a connection and closes it: only one that asks something counts.
      connection.read(new Uint8Array(1)).then((read) => read === null || onAccept(), () => {});
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of connections) {
        try {
          connection.close();
        } catch {
          // Gone already.
        }
      }
      await loop.catch(() => {});
    },
  };
}
