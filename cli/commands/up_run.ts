import type { CliContext } from "../context.ts";
/** Flags */
export interface UpFlags {
  readonly config?: string;
  readonly home?: string;
  readonly host?: string;
  readonly port?: number;
  readonly json: boolean;
}
/** Placeholder until the gateway's runtime is there. */
export function runUp(this: CliContext, _flags: UpFlags): Promise<void> {
  return Promise.resolve();
}
