import { type Authenticator, requireScope, type Scope } from "@synth/core/auth";
import type { RequestContext } from "./request_context.ts";

/** Finds out who asks, and that the key may do what the route needs (`any`: every key may). @throws {SynthError} 401, 403 or 503 */
export async function authenticate(
  authenticator: Authenticator,
  context: RequestContext,
  scope: Scope | "any",
): Promise<void> {
  const principal = await authenticator.authenticate(context.request);
  context.principal = principal;
  context.fields["key_id"] = principal.keyId;
  context.fields["org"] = principal.org;
  if (scope !== "any") requireScope(principal, scope);
}
