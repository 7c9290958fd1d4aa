/** `POST /rollout`. @module */
import { type Logger, SynthError } from "@synth/core";
import { issuesJson } from "../contract/contract_issue.ts";
import type { FreeObject } from "../contract/free_object.ts";
import { validateRolloutResponseForRl } from "../contract/rl_rules.ts";
import { parseRolloutRequest, type RolloutRequest } from "../contract/rollout_request.ts";
import { parseRolloutResponse, type RolloutResponse } from "../contract/rollout_response.ts";
import type { RolloutContext, TaskAppConfig } from "../contract/task_app_config.ts";
import { includeTraceCorrelationId, requestCorrelationId } from "../contract/trace_correlation.ts";
import { asSynthError, jsonText } from "./answer.ts";
import type { Frame } from "./frame.ts";
import type { TaskAppPorts } from "./options.ts";
import { readJson } from "./read_json.ts";
import { RolloutRun } from "./rollout_run.ts";
import { RolloutSlots } from "./rollout_slots.ts";

const MAX_ROLLOUT_S = 86_400;
/** Clients refuse to read what nests deeper. */
const MAX_ANSWER_DEPTH = 256;
/** A rollout that heeds its signal is over by then. */
const LATE_MS = 1000;

/** Runs the rollouts of one task app. */
export class Rollouts {
  readonly #config: TaskAppConfig;
  readonly #ports: TaskAppPorts;
  readonly #slots: RolloutSlots;
  readonly #running: Set<RolloutRun> = new Set();

  constructor(config: TaskAppConfig, ports: TaskAppPorts) {
    this.#config = config;
    this.#ports = ports;
    this.#slots = new RolloutSlots(config.limits?.maxConcurrentRollouts ?? 64);
  }

  /** Ends all that run, with this error as their answer. */
  interrupt(reason: SynthError): void {
    for (const run of [...this.#running]) run.end(reason);
  }

  /** One rollout: its request is checked, bounded, run, and its answer checked. */
  async handle(request: Request, frame: Frame): Promise<Response> {
    const { clock } = this.#ports;
    const body = await readJson(request, this.#config.limits ?? {}, clock);
    const rollout = parseRolloutRequest(body);
    const id = requestCorrelationId(rollout);
    frame.fields["run_id"] = rollout.run_id.slice(0, 256);
    frame.fields["mode"] = rollout.mode;
    if (id !== null) frame.fields["trace_correlation_id"] = id.slice(0, 256);
    else missingId(rollout, frame.log);
    const maxTimeS = Math.min(
      rollout.safety.max_time_s,
      this.#config.limits?.maxRolloutS ?? MAX_ROLLOUT_S,
    );
    const run = new RolloutRun({
      clock,
      maxTimeS,
      maxOps: rollout.safety.max_ops,
      client: request.signal,
    });
    try {
      run.checkOps(rollout.ops.length);
      run.signal.throwIfAborted();
      const context: RolloutContext = {
        request,
        signal: run.signal,
        requestId: frame.id,
        traceCorrelationId: id,
        maxTimeS,
        appState: this.#config.appState ?? {},
        clock,
        log: frame.log,
        countOp: (count) => run.countOp(count),
      };
      const answer = await this.#run(rollout, context, run, frame);
      return jsonText(this.#check(answer, rollout, id, run));
    } finally {
      run.close();
      frame.fields["ops"] = run.ops;
    }
  }

  async #run(
    rollout: RolloutRequest,
    context: RolloutContext,
    run: RolloutRun,
    frame: Frame,
  ): Promise<unknown> {
    const { clock } = this.#ports;
    const slot = this.#slots.take();
    this.#running.add(run);
    const work = Promise.resolve().then(() => this.#config.rollout(rollout, context));
    let answeredAt: number | null = null;
    work.then(() => {}, () => {}).then(() => {
      slot.release();
      const late = answeredAt === null ? 0 : clock.monotonic() - answeredAt;
      if (late > LATE_MS) {
        frame.log.warn("a rollout ended long after its answer", { late_ms: late });
      }
    });
    try {
      return await run.settle(work);
    } catch (error) {
      throw failed(error);
    } finally {
      this.#running.delete(run);
      if (run.signal.aborted) {
        slot.abandon();
        answeredAt = clock.monotonic();
      }
    }
  }

  /** The text of the answer, when it may go out. */
  #check(answer: unknown, rollout: RolloutRequest, id: string | null, run: RolloutRun): string {
    const parsed = this.#parse(answer, rollout, id);
    if (rollout.mode === "rl" || rollout.strict === true || this.#config.strict === true) {
      validateRolloutResponseForRl(parsed);
    }
    run.checkOps(parsed.ops_executed);
    return write(parsed);
  }

  #parse(answer: unknown, rollout: RolloutRequest, id: string | null): RolloutResponse {
    const plain = toPlain(answer);
    const named = { ...plain, run_id: plain["run_id"] ?? rollout.run_id };
    return parseRolloutResponse(id === null ? named : includeTraceCorrelationId(named, id));
  }
}

function missingId(rollout: RolloutRequest, log: Logger): void {
  const message = "the request has no trace correlation id";
  if (rollout.mode === "rl") log.warn(message);
  else log.debug(message);
}

/** What a model instance says of itself, or the object. */
function toPlain(answer: unknown): FreeObject {
  let value = answer;
  try {
    const dump: unknown = isObject(value) ? Reflect.get(value, "toJSON") : undefined;
    if (typeof dump === "function") value = dump.call(value);
  } catch (cause) {
    throw notJson(cause);
  }
  if (isObject(value)) return value;
  throw new SynthError("The rollout must return an object", {
    code: "invalid_rollout_response",
    status: 500,
    details: {
      issues: issuesJson([{ code: "invalid_type", path: "", message: "Expected an object" }]),
    },
  });
}

function isObject(value: unknown): value is FreeObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The answer as text: one that a client can read. */
function write(answer: RolloutResponse): string {
  let text: string;
  try {
    text = JSON.stringify(answer);
  } catch (cause) {
    throw notJson(cause);
  }
  // What can be written has an end: now it is safe to walk.
  if (!nestsDeeper(answer, MAX_ANSWER_DEPTH)) return text;
  throw unwritable("too_deep", `It nests deeper than ${MAX_ANSWER_DEPTH} levels`);
}

function nestsDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((member) => nestsDeeper(member, levels - 1));
}

function notJson(cause: unknown): SynthError {
  return unwritable(
    "not_json",
    "It cannot be written as JSON: it is circular or has a BigInt",
    cause,
  );
}

function unwritable(code: string, message: string, cause?: unknown): SynthError {
  return new SynthError("The answer of the rollout is not valid", {
    code: "invalid_rollout_response",
    status: 500,
    hint: message,
    details: { issues: issuesJson([{ code, path: "", message }]) },
    cause,
  });
}

function failed(error: unknown): SynthError {
  const known = asSynthError(error);
  if (known.code !== "internal_error" || known === error) return known;
  return new SynthError("The rollout failed", {
    code: "rollout_failed",
    status: 500,
    hint: "The task app's log tells more about this request id",
    cause: error,
  });
}
