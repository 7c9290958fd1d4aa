/**
 * The gateway on Deno Deploy, or wherever there is Deno and no lasting disk: `deno serve --allow-net --allow-env gateway/runtime/deploy.ts`.
 *
 * SIGTERM and SIGINT refuse new requests, let the open ones finish within `shutdown_grace_s`, and end the process.
 *
 * @module
 */
import { EXIT } from "@synth/core";
import { exit, onSignal } from "@synth/core/platform";
import type { Gateway } from "../options.ts";
import { undiciTransport } from "../upstreams/undici_transport.ts";
import { denoFetchInfo } from "./deno_web_socket.ts";
import { openEdgeGateway } from "./edge.ts";
import { nodePrefixHash } from "./node_hash.ts";
import { notStarted } from "./worker.ts";

const opening: Promise<Gateway> = openEdgeGateway(Deno.env.toObject(), {
  transport: undiciTransport(),
  hasher: nodePrefixHash,
  // deno-lint-ignore no-console
  write: (line) => console.error(line),
});
// A gateway that cannot start says so to whoever asks it.
opening.catch(() => {});

/** Milliseconds that clients get to take the last bytes. */
const LAST_BYTES_MS = 2000;

let stopping = false;
const stopListening = onSignal(["SIGINT", "SIGTERM"], () => {
  if (stopping) exit(EXIT.interrupted);
  stopping = true;
  void stop();
});

/** `deno serve` itself stops listening at SIGTERM, and ends when the last answer is sent and no timer is left. */
async function stop(): Promise<void> {
  const gateway = await opening.catch(() => null);
  await gateway?.drain();
  stopListening();
  Deno.unrefTimer(setTimeout(() => exit(EXIT.ok), LAST_BYTES_MS));
}

/** What `deno serve` and Deno Deploy call. */
const server: { fetch(request: Request): Promise<Response> } = {
  async fetch(request) {
    let gateway: Gateway;
    try {
      gateway = await opening;
    } catch (error) {
      return notStarted(error);
    }
    return await gateway.fetch(request, denoFetchInfo());
  },
};

export default server;
