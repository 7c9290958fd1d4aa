/** What the life of tunnels needs from outside. @module */
import type { Clock, Logger } from "@synth/core";
import type { Sealer } from "../bridge/seal.ts";
import type { TunnelProvider } from "./provider.ts";
import { providerTimeout } from "./provider_error.ts";
import { TimeBudget } from "./time_budget.ts";
import type { TunnelSettings } from "./tunnel_settings.ts";
import type { TunnelStore } from "./tunnel_store.ts";

/** Where a tunnel's parts are. */
export type TunnelAccount = Pick<TunnelSettings, "accountId" | "zoneId">;

/** The parts of `TunnelService`. */
export interface TunnelServiceOptions {
  readonly store: TunnelStore;
  readonly settings: Pick<TunnelSettings, "domain" | "accountId" | "zoneId" | "maxPerOrg">;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly log: Logger;
  /** The provider of an account, for as long as the budget lasts. */
  readonly provider: (account: TunnelAccount, budget: TimeBudget) => TunnelProvider;
}

/** Runs something with a provider, for at most `ms` milliseconds. */
export async function withProvider<T>(
  { clock, provider }: Pick<TunnelServiceOptions, "clock" | "provider">,
  account: TunnelAccount,
  ms: number,
  run: (provider: TunnelProvider) => Promise<T>,
): Promise<T> {
  // No `using`: what loads Workers cannot parse it everywhere yet.
  const budget = new TimeBudget(clock, ms, providerTimeout);
  try {
    return await run(provider(account, budget));
  } finally {
    budget[Symbol.dispose]();
  }
}
