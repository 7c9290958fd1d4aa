/** The session of a running agent: opened for it or lent to it, kept alive, ended. @module */
import { type Clock, EXIT, newId, newSessionId, SynthError } from "@synth/core";
import type { SessionObject, SessionRequest, SessionsClient } from "@synth/core/api";

/** What this needs of the API. */
export type SessionVerbs = Pick<SessionsClient, "create" | "get" | "end" | "heartbeat">;

/** Milliseconds to wait for what the agent's last requests have cost, and between two looks. */
const SETTLE_MS = 3000;
const LOOK_MS = 150;

/** A session in use. */
export class AgentSession {
  readonly id: string;
  readonly #api: SessionVerbs;
  readonly #clock: Clock;
  /** Whether it ends with the agent. */
  readonly #own: boolean;
  #cancel: (() => void) | null = null;

  private constructor(api: SessionVerbs, clock: Clock, id: string, own: boolean) {
    this.#api = api;
    this.#clock = clock;
    this.id = id;
    this.#own = own;
  }

  /** Opens a session. Should its answer be lost, it is ended all the same. */
  static async open(
    api: SessionVerbs,
    clock: Clock,
    request: SessionRequest,
  ): Promise<AgentSession> {
    const id = newSessionId(clock.now());
    try {
      await api.create({ ...request, session_id: id, make_active: false });
    } catch (error) {
      const unsure = error instanceof SynthError && error.status >= 500;
      if (unsure) await api.end(id, { idempotencyKey: newId("end_") }).catch(() => undefined);
      throw error;
    }
    return new AgentSession(api, clock, id, true);
  }

  /** Uses a session that goes on afterwards. @throws {SynthError} `session_not_active`, exit code 1 */
  static async reuse(api: SessionVerbs, clock: Clock, id: string): Promise<AgentSession> {
    const session = await api.get(id);
    if (session.status === "ended" || session.status === "expired") {
      throw new SynthError(`The session ${id} is over: ${session.status}`, {
        code: "session_not_active",
        exitCode: EXIT.failed,
        hint: "Leave --reuse-session out to open a new one",
      });
    }
    return new AgentSession(api, clock, id, false);
  }

  /**
   * Shows signs of life every so often, in milliseconds. A gateway that is away for a moment is asked again.
   *
   * @param onOver told once when somebody else has ended the session
   */
  keepAlive(everyMs: number, onOver: (error: SynthError) => void): void {
    const beat = async (): Promise<void> => {
      try {
        await this.#api.heartbeat(this.id);
      } catch (error) {
        const over = error instanceof SynthError && error.status >= 400 && error.status < 500;
        if (over && this.#cancel !== null) return onOver(error);
      }
      if (this.#cancel !== null) schedule();
    };
    const schedule = (): void => {
      this.#cancel = this.#clock.after(everyMs, () => void beat());
    };
    schedule();
  }

  /**
   * Ends it, unless it is only lent, and tells what it cost, once that is known.
   *
   * @param api for a client with a shorter patience
   */
  async close(api: SessionVerbs = this.#api): Promise<SessionObject> {
    this.#cancel?.();
    this.#cancel = null;
    let session = this.#own ? await this.#end(api) : await api.get(this.id);
    for (let waited = 0; waited < SETTLE_MS && holds(session); waited += LOOK_MS) {
      await this.#clock.sleep(LOOK_MS);
      session = await api.get(this.id);
    }
    return session;
  }

  async #end(api: SessionVerbs): Promise<SessionObject> {
    try {
      return await api.end(this.id, { idempotencyKey: newId("end_") });
    } catch (error) {
      // Somebody else has ended it, or it has expired: as good.
      if (error instanceof SynthError && error.code === "session_not_active") {
        return await api.get(this.id);
      }
      throw error;
    }
  }
}

function holds(session: SessionObject): boolean {
  return session.limits.some(({ held }) => held > 0);
}
