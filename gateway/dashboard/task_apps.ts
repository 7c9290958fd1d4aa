/** Where the dashboard learns of task apps: a port, so that the registry need not know of the dashboard. @module */

/** A task app for a line of the table. */
export interface TaskAppLine {
  readonly id: string;
  readonly name: string | null;
  readonly url: string | null;
  /** `healthy`, `unhealthy` ... as the registry says. */
  readonly status: string | null;
  /** Milliseconds since the epoch; `null` when that is not known. */
  readonly seenAt: number | null;
}

/** Task apps of an org. */
export interface TaskAppList {
  readonly apps: readonly TaskAppLine[];
  readonly more: boolean;
}

/** A registry. `null`: there is none here. */
export interface TaskAppSource {
  list(org: string): Promise<TaskAppList | null>;
}
