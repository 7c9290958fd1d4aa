/** The real Codex in a room of its own. @module */
import { type Answers, type ClientRoom, openClientRoom } from "./client_room.ts";
import { type CodexHome, codexHome, type CodexSettings } from "./codex.ts";

/** A room with Codex in it. */
export interface CodexRoom extends ClientRoom {
  readonly codex: CodexHome;
}

/** What differs from the usual room. */
export interface CodexRoomOptions extends CodexSettings {
  /** The gateway's configuration, for the address of the model. @default {scriptedConfig} */
  readonly gateway?: (baseUrl: string) => string;
}

/** Opens one: Codex asks a tap in front of the gateway, which asks a scripted model. */
export async function openCodexRoom(
  answers: Answers,
  options: CodexRoomOptions = {},
): Promise<CodexRoom> {
  await using stack = new AsyncDisposableStack();
  const room = stack.use(await openClientRoom(answers, options.gateway));
  const codex = stack.use(await codexHome(room.tap.origin, room.gateway.apiKey, options));
  const owned = stack.move();
  const { upstream, gateway, tap } = room;
  return { upstream, gateway, tap, codex, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
