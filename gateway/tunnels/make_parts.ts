/** Makes the parts of a tunnel, each written down before it is asked for, and takes them away again. @module */
import { SynthError } from "@synth/core";
import type { HeldTunnel } from "./held_tunnel.ts";
import { type AccessCredentials, type Part, PARTS, type TunnelProvider } from "./provider.ts";
import { wasRefused } from "./provider_error.ts";

/** What runs a tunnel and lets callers through it. Secret. */
export interface MadeCredentials extends AccessCredentials {
  readonly tunnelToken: string;
}

/**
 * Makes all parts. The name comes last: nobody can call it before its Access application stands in front of it.
 *
 * @throws {SynthError} of the provider, of the store; {@linkcode removeParts} then knows what may be there
 */
export async function makeParts(
  held: HeldTunnel,
  provider: TunnelProvider,
): Promise<MadeCredentials> {
  const { plan } = held;
  const tunnel = await make(held, "tunnel", () => provider.createTunnel(plan));
  await provider.configureTunnel(tunnel, plan);
  const tunnelToken = await provider.tunnelToken(tunnel);
  let access: AccessCredentials | null = null;
  const serviceToken = await make(held, "service_token", async () => {
    const made = await provider.createServiceToken(plan);
    access = made;
    return made.id;
  });
  const policy = await make(held, "policy", () => provider.createPolicy(plan, serviceToken));
  await make(held, "application", () => provider.createApplication(plan, policy));
  await make(held, "record", () => provider.createRecord(plan, tunnel));
  return { ...access as unknown as AccessCredentials, tunnelToken };
}

async function make(held: HeldTunnel, part: Part, create: () => Promise<string>): Promise<string> {
  await held.save({ begun: [...held.tunnel.begun, part] });
  try {
    const id = await create();
    held.made(part, id);
    return id;
  } catch (error) {
    if (wasRefused(error)) held.unmade(part);
    throw error;
  }
}

/** What could not be removed, and why. */
export interface Leftovers {
  readonly parts: readonly Part[];
  readonly error: SynthError | null;
}

/**
 * Removes the parts that are or may be there, the last first; goes on behind one that fails. A part whose making had no answer is looked for by its
 * name; when it is not found it may still come to be, so it stays on the list until it is looked for with `final`.
 */
export async function removeParts(
  held: HeldTunnel,
  provider: TunnelProvider,
  { final }: { readonly final: boolean },
): Promise<Leftovers> {
  const left: Part[] = [];
  let failure: SynthError | null = null;
  for (const part of [...PARTS].reverse()) {
    const { begun, parts } = held.tunnel;
    if (!begun.includes(part)) continue;
    // The name must not lead anywhere without what stands in front of it.
    if (part === "application" && left.includes("record")) {
      left.push(part);
      continue;
    }
    try {
      const known = parts[part];
      const ids = known === null ? await provider.find(part, held.plan) : [known];
      for (const id of ids) await provider.remove(part, id);
      if (ids.length > 0 || final) held.unmade(part);
    } catch (error) {
      if (!(error instanceof SynthError)) throw error;
      left.push(part);
      failure ??= error;
    }
  }
  return { parts: left, error: failure };
}
