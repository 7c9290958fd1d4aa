/** Admission over books in memory, for its tests. @module */
import { createLogger, FakeClock, newSessionId, SynthError } from "@synth/core";
import type { Principal } from "@synth/core/auth";
import { configSchema } from "@synth/core/config";
import type { ChatRequest } from "../../bridge/chat.ts";
import { clientTraits } from "../../bridge/client_traits.ts";
import type { TurnUsage } from "../../bridge/stream/usage.ts";
import { priceBook } from "../../pricing/price_book.ts";
import { ModelTable, type ResolvedModel } from "../../upstreams/model_table.ts";
import { resolveUpstreams } from "../../upstreams/upstream.ts";
import type { AdmissionRequest } from "../admission.ts";
import { LedgerAdmission } from "../ledger_admission.ts";
import type { SessionLedger } from "../ledger/ledger.ts";
import { openSqliteLedger, type SqliteLedger } from "../ledger/ledger_sqlite.ts";
import type { LimitSpec } from "../limits.ts";
import { portablePrefixHash } from "../prefix_hash.ts";

/** Whoever asks in these tests. */
export const WHO: Principal = {
  org: "org-a",
  user: "me",
  keyId: "key_test",
  scopes: new Set(["infer"]),
  expiresAt: null,
};

/** What a bench is made of. */
export interface BenchOptions {
  /** Members of `[sessions]`. */
  readonly sessions?: Record<string, unknown>;
  /** Members of `[upstreams.up]`. */
  readonly upstream?: Record<string, unknown>;
  /** Wraps the ledger that admission sees. */
  readonly wrap?: (ledger: SessionLedger) => SessionLedger;
}

/** Admission with its parts at hand. */
export interface Bench extends AsyncDisposable {
  readonly admission: LedgerAdmission;
  readonly ledger: SqliteLedger;
  readonly clock: FakeClock;
  readonly lines: string[];
  /** What was left to the background. */
  readonly background: Promise<unknown>[];
  model(name: string): ResolvedModel;
  /** A request for `m-paid` that says "hi", with these headers. */
  request(
    headers?: Record<string, string>,
    more?: Partial<Omit<AdmissionRequest, "chat">> & { readonly chat?: Partial<ChatRequest> },
  ): AdmissionRequest;
  /** Opens a session and gives its id. */
  open(limits: readonly LimitSpec[], makeActive?: boolean): Promise<string>;
  /** Held, charged and overrun of the session's first limit. */
  books(id: string): Promise<[bigint, bigint, bigint]>;
}

/** Opens one. `m-paid` costs 1000 nano-USD a token in and 4000 out, `m-free` nothing, `m-new` nobody knows. */
export async function openBench(options: BenchOptions = {}): Promise<Bench> {
  const config = configSchema.parse({
    sessions: options.sessions ?? {},
    upstreams: { up: { base_url: "http://127.0.0.1:1/v1", ...options.upstream } },
    models: {
      "m-paid": { upstream: "up", price: { input: 1, output: 4 } },
      "m-free": { upstream: "up", price: "free" },
      "m-new": { upstream: "up" },
    },
  });
  const upstreams = await resolveUpstreams(config.upstreams, { env: () => undefined });
  const models = new ModelTable(config, upstreams);
  const clock = new FakeClock();
  const ledger = await openSqliteLedger({ path: ":memory:", clock });
  const lines: string[] = [];
  const background: Promise<unknown>[] = [];
  const admission = new LedgerAdmission({
    ledger: options.wrap?.(ledger) ?? ledger,
    prices: priceBook,
    config: () => config.sessions,
    hasher: portablePrefixHash,
    clock,
    log: createLogger({ write: (line) => void lines.push(line) }),
  });
  return {
    admission,
    ledger,
    clock,
    lines,
    background,
    model: (name) => models.resolve(name, 400),
    request(headers = {}, more = {}) {
      const { chat, ...rest } = more;
      const all = new Headers(headers);
      return {
        requestId: "req_1",
        principal: WHO,
        headers: all,
        client: clientTraits(all),
        model: models.resolve("m-paid", 400),
        api: "responses",
        stream: false,
        chat: {
          model: "m",
          messages: [{ role: "user", content: "hi" }],
          stream: false,
          ...chat,
        } as ChatRequest,
        inputBytes: 100,
        media: { images: 0, audio: 0, files: 0 } as unknown as AdmissionRequest["media"],
        requestedOutputTokens: 100,
        deadlineMs: 600_000,
        waitUntil: (promise) => void background.push(promise),
        ...rest,
      };
    },
    async open(limits, makeActive = false) {
      const id = newSessionId(clock.now());
      await ledger.openSession({
        org: WHO.org,
        user: WHO.user,
        keyId: WHO.keyId,
        makeActive,
        spec: {
          id,
          ttlMs: null,
          idleMs: null,
          limits,
          type: "api_call",
          tracingSessionId: null,
          metadata: {},
        },
      });
      return id;
    },
    async books(id) {
      const limit = (await ledger.getSession(WHO.org, id))!.limits[0]!;
      return [limit.held, limit.charged, limit.overrun];
    },
    [Symbol.asyncDispose]: () => ledger.close(),
  };
}

/** What an upstream reported. */
export function reported(inputTokens: number, outputTokens: number): TurnUsage {
  return {
    inputTokens,
    cachedTokens: 0,
    cacheWriteTokens: 0,
    outputTokens,
    reasoningTokens: 0,
    totalTokens: inputTokens + outputTokens,
    reported: true,
    inputReported: true,
    outputReported: true,
  };
}

/** The same, guessed. */
export function guessed(inputTokens: number, outputTokens: number): TurnUsage {
  return {
    ...reported(inputTokens, outputTokens),
    reported: false,
    inputReported: false,
    outputReported: false,
  };
}

/** The error of a store that is away. */
export function away(reason = "network"): SynthError {
  return new SynthError("away", { code: "store_unavailable", status: 503, details: { reason } });
}

/** A ledger some verbs of which are replaced. */
export function withVerbs(ledger: SessionLedger, verbs: Partial<SessionLedger>): SessionLedger {
  return new Proxy(ledger, {
    get(target, name) {
      const own: unknown = Reflect.get(verbs, name);
      if (own !== undefined) return own;
      const member: unknown = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}
