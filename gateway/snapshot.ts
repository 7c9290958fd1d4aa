/** A configuration with its secrets resolved: what a request runs on from beginning to end. @module */
import type { SynthConfig } from "@synth/core/config";
import type { SecretSource } from "./secret_source.ts";
import { resolveTunnels, type TunnelSettings } from "./tunnels/tunnel_settings.ts";
import { ModelTable } from "./upstreams/model_table.ts";
import { resolveUpstreams } from "./upstreams/upstream.ts";

/** Immutable; a reload makes another. */
export interface Snapshot {
  readonly config: SynthConfig;
  readonly models: ModelTable;
  /** Where tunnels are made; `null`: nowhere. */
  readonly tunnels: TunnelSettings | null;
}

/**
 * Resolves keys and models.
 *
 * @throws {SynthError} `upstream_key_unreadable`, `upstream_key_invalid`, `tunnel_token_unreadable` or `tunnel_token_invalid`
 */
export async function makeSnapshot(config: SynthConfig, secrets: SecretSource): Promise<Snapshot> {
  const upstreams = await resolveUpstreams(config.upstreams, secrets);
  const tunnels = await resolveTunnels(config.tunnels, secrets);
  return { config, models: new ModelTable(config, upstreams), tunnels };
}
