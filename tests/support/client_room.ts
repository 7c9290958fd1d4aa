/** What stands around a client: a scripted model behind the gateway, in a process of its own, and a tap in front of it. @module */
import { type RunningGateway, scriptedConfig, startGatewayProcess } from "./gateway_process.ts";
import type { RawReply } from "./raw_http.ts";
import { isRecord, type Rec } from "./response_shape.ts";
import { type RecordedRequest, type ScriptedUpstream, startUpstream } from "./scripted_upstream.ts";
import { startTap, type Tap } from "./tap.ts";

/** The room. */
export interface ClientRoom extends AsyncDisposable {
  readonly upstream: ScriptedUpstream;
  readonly gateway: RunningGateway;
  readonly tap: Tap;
}

/** Answers of the model, in order, or made for each request. */
export type Answers =
  | readonly RawReply[]
  | ((request: RecordedRequest, n: number) => RawReply | undefined);

/** Opens a room. @param config the gateway's, for the address of the model */
export async function openClientRoom(
  answers: Answers,
  config: (baseUrl: string) => string = scriptedConfig,
): Promise<ClientRoom> {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(
    await startUpstream(typeof answers === "function" ? { reply: answers } : {}),
  );
  if (typeof answers !== "function") upstream.enqueue(...answers);
  const gateway = stack.use(await startGatewayProcess({ config: config(upstream.baseUrl) }));
  const tap = stack.use(startTap(gateway.origin));
  const owned = stack.move();
  return { upstream, gateway, tap, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The messages of a Chat request. */
export function messagesOf(request: RecordedRequest | undefined): Rec[] {
  const list = request?.body.messages;
  return Array.isArray(list) ? list.filter(isRecord) : [];
}
