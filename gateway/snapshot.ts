/** A configuration with its secrets resolved: what a request runs on from beginning to end. @module */
import type { SynthConfig } from "@synth/core/config";
import type { SecretSource } from "./options.ts";
import { ModelTable } from "./upstreams/model_table.ts";
import { resolveUpstreams } from "./upstreams/upstream.ts";

/** Immutable; a reload makes another. */
export interface Snapshot {
  readonly config: SynthConfig;
  readonly models: ModelTable;
}

/**
 * Resolves keys and models.
 *
 * @throws {SynthError} `upstream_key_unreadable` or `upstream_key_invalid`
 */
export async function makeSnapshot(config: SynthConfig, secrets: SecretSource): Promise<Snapshot> {
  const upstreams = await resolveUpstreams(config.upstreams, secrets);
  return { config, models: new ModelTable(config, upstreams) };
}
