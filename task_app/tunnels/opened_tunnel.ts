/** A tunnel that was found to work. @module */
import type { OpenTunnel, TunnelMode } from "./port.ts";
import { describeExit } from "./tunnel_errors.ts";
import type { TunnelProcess } from "./tunnel_process.ts";

/** Makes the handle of an open tunnel. */
export function openedTunnel({ process, hostname, mode, accessHeaders }: {
  readonly process: TunnelProcess;
  readonly hostname: string;
  readonly mode: TunnelMode;
  readonly accessHeaders: Readonly<Record<string, string>>;
}): OpenTunnel {
  const exited = process.child.exited.then(async (exit) => {
    const { message } = await process.verdict();
    const how = `cloudflared ended (${describeExit(exit)})`;
    return { code: exit.code, reason: message === null ? how : `${how}: ${message}` };
  });
  return {
    url: `https://${hostname}`,
    hostname,
    mode,
    recordId: process.id,
    accessHeaders: () => ({ ...accessHeaders }),
    exited,
    close: () => process.close(),
    [Symbol.asyncDispose]: () => process.close(),
  };
}
