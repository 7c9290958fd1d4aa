/** What handlers share. @module */
import type { Clock } from "@synth/core";
import type { Sealer } from "./bridge/seal.ts";
import type { StateStore } from "./options.ts";
import type { Admission } from "./sessions/admission.ts";
import type { UpstreamClient } from "./upstreams/client.ts";

/** The long-lived parts of a gateway. */
export interface Services {
  readonly clock: Clock;
  readonly admission: Admission;
  readonly upstreams: UpstreamClient;
  readonly store: StateStore | null;
  readonly sealer: Sealer | null;
  readonly version: string;
  /** Reads the configuration again. Throws `SynthError` when it is bad. */
  reload(): Promise<void>;
}
