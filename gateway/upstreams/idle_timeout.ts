import type { UpstreamProfile } from "../bridge/profile.ts";

/** Milliseconds that an upstream may be silent: what the operator grants, or more where a profile knows that it needs more. */
export function idleTimeoutMs(
  gateway: { readonly idle_timeout_s: number },
  profile: Pick<UpstreamProfile, "idleTimeoutMs">,
): number {
  return Math.max(gateway.idle_timeout_s * 1000, profile.idleTimeoutMs);
}
