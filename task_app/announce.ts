/** Tells the gateway's registry that a task app runs, for as long as it does. @module */
import { type Clock, type Logger, newId, redactText, systemClock } from "@synth/core";
import type { AnnouncementRequest, RegistryClient } from "@synth/core/api";

/** What {@linkcode announceTaskApp} needs. */
export interface AnnounceOptions {
  /** The registry, such as `new SynthClient({ baseUrl, apiKey, timeoutMs: 5_000 }).registry`. The end waits for a request under way. */
  readonly registry: Pick<RegistryClient, "announce" | "remove">;
  readonly appId: string;
  /** Where the app is and what it is; the instance and the time to live are added. */
  readonly announcement: Omit<AnnouncementRequest, "instance_id" | "ttl_seconds">;
  readonly log: Logger;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** Milliseconds between two signs of life. The entry outlives three of them. @default {30_000} */
  readonly intervalMs?: number;
}

/** An announcement that is kept alive. Disposing it takes the entry away. */
export interface Announcement extends AsyncDisposable {
  /** What tells this process from another one that serves the same app. */
  readonly instanceId: string;
  /** Resolves when no request is under way. */
  idle(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Announces a task app now, and again every 30 s. Never fails: an app runs as well without a registry. A failure is logged once, until it works again.
 */
export function announceTaskApp(options: AnnounceOptions): Announcement {
  const heart = new Heart(options);
  heart.beat();
  return heart;
}

class Heart implements Announcement {
  readonly instanceId: string = newId("app_");
  readonly #options: AnnounceOptions;
  #request: Promise<void> = Promise.resolve();
  #stopTimer: () => void = () => {};
  #ended = false;
  #failing = false;

  constructor(options: AnnounceOptions) {
    this.#options = options;
  }

  beat(): void {
    const { clock = systemClock, intervalMs = 30_000 } = this.#options;
    this.#request = this.#announce(intervalMs).then(() => {
      if (!this.#ended) this.#stopTimer = clock.after(intervalMs, () => this.beat());
    });
  }

  async idle(): Promise<void> {
    await this.#request;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopTimer();
    await this.#request;
    const { registry, appId, log } = this.#options;
    // Without it the entry ends by itself, a little later.
    await registry.remove(appId, this.instanceId).catch((error: unknown) =>
      log.debug("the entry in the registry could not be taken away", { why: reason(error) })
    );
  }

  async #announce(intervalMs: number): Promise<void> {
    const { registry, appId, announcement, log } = this.#options;
    const ttl = Math.min(3600, Math.max(10, Math.ceil(3 * intervalMs / 1000)));
    try {
      const { instanceId: instance_id } = this;
      await registry.announce(appId, { ...announcement, instance_id, ttl_seconds: ttl });
      if (this.#failing) log.info("the task app is in the registry again", { app_id: appId });
      this.#failing = false;
    } catch (error) {
      const why = reason(error);
      if (this.#failing) log.debug("the registry cannot be reached", { app_id: appId, why });
      else log.warn("the task app could not be announced", { app_id: appId, why });
      this.#failing = true;
    }
  }
}

function reason(error: unknown): string {
  return redactText(error instanceof Error ? error.message : String(error)).slice(0, 300);
}
