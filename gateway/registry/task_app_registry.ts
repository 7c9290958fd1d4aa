/** The task apps of an org that announced themselves: documents that are gone when nobody renews them. @module */
import { type Clock, type Json, SynthError } from "@synth/core";
import { type RegisteredTaskApp, RegisteredTaskAppSchema } from "@synth/core/api";
import type { Document, DocumentStore } from "@synth/core/storage";
import type { TaskAppList, TaskAppSource } from "../dashboard/task_apps.ts";

const COLLECTION = "task_apps";
const DASHBOARD_LINES = 100;
/** A writer that loses so often against others is not the one whose word counts. */
const TRIES = 3;

/** What is to be kept. */
export type Announcement =
  & Pick<
    RegisteredTaskApp,
    "app_id" | "url" | "name" | "version" | "dataset_id" | "tunnel_mode" | "instance_id"
  >
  & { readonly ttlMs: number };

/** Entries of the registry, by org and app id. */
export class TaskAppRegistry implements TaskAppSource {
  readonly #documents: DocumentStore;
  readonly #clock: Clock;

  constructor(documents: DocumentStore, clock: Clock) {
    this.#documents = documents;
    this.#clock = clock;
  }

  /** Makes an entry, or keeps it. The instance that spoke last counts. */
  async announce(org: string, { ttlMs, ...fields }: Announcement): Promise<RegisteredTaskApp> {
    for (let tries = 1;; tries++) {
      const stored = await this.#documents.get(org, COLLECTION, fields.app_id);
      const old = entryOf(stored);
      const now = this.#clock.now();
      const known = old !== null && old.url === fields.url &&
        old.instance_id === fields.instance_id;
      const entry: RegisteredTaskApp = {
        ...fields,
        registered_at: known ? old.registered_at : iso(now),
        last_seen_at: iso(now),
        expires_at: iso(now + ttlMs),
      };
      const value: { [key: string]: Json } = { v: 1, ...entry };
      const ifVersion = stored?.version ?? 0;
      const put = await this.#documents.put(org, COLLECTION, fields.app_id, value, {
        ttlMs,
        ...(tries < TRIES ? { ifVersion } : {}),
      });
      if (put !== null) return entry;
    }
  }

  /** An entry, `null` when there is none. */
  async get(org: string, appId: string): Promise<RegisteredTaskApp | null> {
    return entryOf(await this.#documents.get(org, COLLECTION, appId));
  }

  /** The newest entries. */
  async entries(
    org: string,
    limit: number,
    cursor?: string,
  ): Promise<{ entries: RegisteredTaskApp[]; cursor: string | null }> {
    const page = await this.#documents.list(org, COLLECTION, {
      limit,
      ...(cursor === undefined ? {} : { cursor }),
    });
    const entries = page.documents.map(entryOf).filter((entry) => entry !== null);
    return { entries, cursor: page.cursor };
  }

  /** Takes an entry away, with `instanceId` only when it is that instance's. @returns whether there was one */
  async remove(org: string, appId: string, instanceId: string | null): Promise<boolean> {
    const stored = await this.#documents.get(org, COLLECTION, appId);
    const entry = entryOf(stored);
    if (stored === null || entry === null) return false;
    if (instanceId !== null && entry.instance_id !== instanceId) return false;
    return await this.#documents.delete(org, COLLECTION, appId, { ifVersion: stored.version });
  }

  /** For the dashboard. */
  async list(org: string): Promise<TaskAppList> {
    const { entries, cursor } = await this.entries(org, DASHBOARD_LINES);
    const apps = entries.map(({ app_id, name, url, last_seen_at }) => ({
      id: app_id,
      name,
      url,
      status: "announced",
      seenAt: Date.parse(last_seen_at),
    }));
    return { apps, more: cursor !== null };
  }
}

/** The error for an app that has no entry, or another org's. */
export function taskAppNotFound(): SynthError {
  return new SynthError("No task app of this id has announced itself", {
    code: "task_app_not_found",
    status: 404,
    hint: "It may have stopped: entries end when they are not renewed",
  });
}

/** `null` also for what a later version wrote in a shape that this one cannot read. */
function entryOf(document: Document | null): RegisteredTaskApp | null {
  if (document === null) return null;
  const read = RegisteredTaskAppSchema.safeParse(document.value);
  return read.success ? read.data : null;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
