import { assertEquals, assertRejects } from "@std/assert";
import { FakeClock, SynthError } from "@synth/core";
import type { SessionObject, SessionRequest } from "@synth/core/api";
import { AgentSession, type SessionVerbs } from "./agent_session.ts";

/** A gateway's sessions, noting what is asked; `held` is reported for the first looks. */
class Sessions implements SessionVerbs {
  readonly calls: string[] = [];
  held = 0;
  status: SessionObject["status"] = "active";
  failures: SynthError[] = [];

  create(request: SessionRequest = {}): Promise<SessionObject> {
    return this.#answer(`create ${request.make_active}`);
  }
  get(): Promise<SessionObject> {
    return this.#answer("get");
  }
  end(): Promise<SessionObject> {
    return this.#answer("end");
  }
  heartbeat(): Promise<SessionObject> {
    return this.#answer("heartbeat");
  }

  #answer(call: string): Promise<SessionObject> {
    this.calls.push(call);
    const failure = this.failures.shift();
    if (failure !== undefined) return Promise.reject(failure);
    const limits = [{ held: Math.max(0, this.held--) }];
    return Promise.resolve({ status: this.status, limits } as unknown as SessionObject);
  }
}

function away(): SynthError {
  return new SynthError("away", { code: "gateway_unreachable", status: 503 });
}

function over(): SynthError {
  return new SynthError("over", { code: "session_not_active", status: 400 });
}

Deno.test("open makes no active session, and ends one whose answer was lost", async () => {
  const api = new Sessions();
  await AgentSession.open(api, new FakeClock(), {});
  assertEquals(api.calls, ["create false"]);
  api.failures = [away()];
  await assertRejects(() => AgentSession.open(api, new FakeClock(), {}), SynthError, "away");
  assertEquals(api.calls.slice(1), ["create false", "end"]);
});

Deno.test("reuse refuses what is over", async () => {
  const api = new Sessions();
  api.status = "expired";
  const id = "sess_00000000000000000000000000";
  await assertRejects(() => AgentSession.reuse(api, new FakeClock(), id), SynthError, "expired");
});

Deno.test("keepAlive beats until close, through a gateway that is away, and tells once of the end", async () => {
  const api = new Sessions();
  const clock = new FakeClock();
  const session = await AgentSession.open(api, clock, {});
  const told: string[] = [];
  session.keepAlive(1000, (error) => told.push(error.code));
  const tick = async (): Promise<void> => {
    await clock.tick(1000);
    await new Promise((resolve) => setTimeout(resolve));
  };
  api.failures = [away()];
  await tick();
  await tick();
  assertEquals(api.calls.slice(1), ["heartbeat", "heartbeat"]);
  api.failures = [over()];
  await tick();
  await tick();
  assertEquals([api.calls.length, told], [4, ["session_not_active"]]);
  await session.close();
  await tick();
  assertEquals(api.calls.slice(4), ["end"]);
});

Deno.test("close waits for what is held, and takes a session that is over for ended", async () => {
  const api = new Sessions();
  const clock = new FakeClock();
  const session = await AgentSession.open(api, clock, {});
  api.held = 2;
  const closing = session.close();
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setTimeout(resolve));
    await clock.tick(150);
  }
  await closing;
  assertEquals(api.calls, ["create false", "end", "get", "get"]);
  api.failures = [over()];
  await session.close();
  assertEquals(api.calls.slice(4), ["end", "get"]);
});
