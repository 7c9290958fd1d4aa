/** The gateway as a Cloudflare Worker: the module that `deno task build:worker` bundles. @module */
import { fetchTransport } from "../upstreams/fetch_transport.ts";
import { openEdgeGateway } from "./edge.ts";
import { type WorkerHandler, workerHandler } from "./worker.ts";

/** Variables and secrets; bindings of other kinds are not ours. In `vars` of wrangler.jsonc a number stays one. */
type Bindings = Readonly<Record<string, unknown>>;

const handler: WorkerHandler<Bindings> = workerHandler((env: Bindings) =>
  openEdgeGateway(textsOf(env), {
    transport: fetchTransport(),
    // The only log that a Worker has.
    // deno-lint-ignore no-console
    write: (line) => console.log(line),
  })
);

export default handler;

function textsOf(env: Bindings): Record<string, string> {
  const texts: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(env)) {
    if (["string", "number", "boolean"].includes(typeof value)) texts[name] = String(value);
  }
  return texts;
}
