/** Starts a coding agent under a budget. @module */
import { EXIT, SynthError, systemClock } from "@synth/core";
import { type SessionRequest, SynthClient } from "@synth/core/api";
import type { Scope } from "@synth/core/auth";
import { createPrivateFile, isTerminal, makePrivateDirectory } from "@synth/core/platform";
import { maskKey } from "../client/credentials.ts";
import { connect, type Connection } from "../client/connect.ts";
import type { LimitFlags } from "../client/limit_flags.ts";
import { checkSessionId } from "../client/session_id.ts";
import type { CliContext } from "../context.ts";
import { printJson, say } from "../output/print.ts";
import { ensureHome } from "../state/home.ts";
import { joinPath } from "../state/paths.ts";
import { type AgentKey, endAgentKey, makeAgentKey } from "./agent_key.ts";
import { type Agent, type Invocation, KEY_VARIABLE, SESSION_VARIABLE } from "./agent.ts";
import { AgentSession } from "./agent_session.ts";
import { chooseModel } from "./choose_model.ts";
import { findAgent } from "./find_program.ts";
import { Foreground } from "./foreground.ts";
import { launchLimits, sessionConfig } from "./limits.ts";
import { sayKeyLeft, sayLimits, sayRestarts, saySpent } from "./report.ts";

/** Flags of the launchers. */
export interface LaunchFlags extends LimitFlags {
  readonly baseUrl?: string;
  readonly url?: string;
  readonly config?: string;
  readonly home?: string;
  readonly json: boolean;
  readonly model?: string;
  readonly dryRun: boolean;
  readonly reuseSession?: string;
  /** Seconds. */
  readonly idle?: number;
  readonly catalog: boolean;
  readonly inferOnly: boolean;
}

/** Seconds without a sign of life after which a session whose launcher was killed expires. A machine that sleeps shows none. */
const IDLE_S = 3600;
/** Seconds between two signs of life, at most. */
const BEAT_S = 60;
/** Milliseconds for the calls behind an agent that has ended: its user waits. */
const CLOSE_TIMEOUT_MS = 5000;

/** All that is known before anything is opened, written or started. */
interface Prepared {
  readonly connection: Connection;
  readonly program: string;
  readonly model: string;
  readonly directory: string;
  readonly invocation: Invocation;
  /** `null`: a session is reused. */
  readonly request: SessionRequest | null;
}

/** Runs an agent to its end. The exit code is the agent's. */
export async function launch(
  context: CliContext,
  agent: Agent,
  flags: LaunchFlags,
  args: readonly string[],
): Promise<void> {
  const prepared = await prepare(context, agent, flags, args);
  for (const note of prepared.invocation.notes) say(context, `note: ${note}`);
  if (flags.dryRun) return show(context, prepared, flags);
  using foreground = new Foreground({
    clock: systemClock,
    windows: context.os === "windows",
    terminal: isTerminal("stdin"),
  });
  await writeFiles(context, prepared);
  const { client, url, key } = prepared.connection;
  const session = prepared.request === null
    ? await AgentSession.reuse(
      client.sessions,
      systemClock,
      checkSessionId(flags.reuseSession ?? ""),
    )
    : await AgentSession.open(client.sessions, systemClock, prepared.request);
  let agentKey: AgentKey | null = null;
  try {
    if (flags.inferOnly) {
      agentKey = await makeAgentKey(client.keys, systemClock, session.id, prepared.request ?? {});
    }
    sayLimits(context, agent, session.id, prepared);
    session.keepAlive(beatMs(flags), (error) => sayRestarts(context, session.id, error));
    context.process.exitCode = foreground.stopped ?? await foreground.run({
      program: prepared.program,
      args: prepared.invocation.args,
      env: {
        ...definedOf(context.env),
        ...prepared.invocation.env,
        [KEY_VARIABLE]: agentKey?.key ?? key.key,
        [SESSION_VARIABLE]: session.id,
      },
      cwd: context.cwd,
    });
  } finally {
    const closing = new SynthClient({
      baseUrl: url,
      apiKey: key.key,
      timeoutMs: CLOSE_TIMEOUT_MS,
    });
    const left = agentKey === null ? null : await endAgentKey(closing.keys, agentKey.keyId);
    if (left !== null) sayKeyLeft(context, agentKey?.keyId ?? "", left);
    await saySpent(context, agent, session, closing.sessions, {
      own: prepared.request !== null,
      json: flags.json,
    });
  }
}

/** Checks everything that can be wrong, so that nothing is left behind when something is. */
async function prepare(
  context: CliContext,
  agent: Agent,
  flags: LaunchFlags,
  args: readonly string[],
): Promise<Prepared> {
  checkFlags(flags);
  agent.checkArgs(args);
  const program = await findAgent(context, agent);
  const connection = await connect(context, flags);
  const limits = await sessionConfig(context, agent, connection.config, flags.config);
  const { model, models } = await chooseModel(connection.client, flags.model);
  await checkScopes(connection, flags);
  const directory = joinPath(context, connection.paths.home, "agents");
  const invocation = await agent.prepare({
    program,
    url: connection.url,
    model,
    models,
    args,
    directory,
    catalog: flags.catalog,
  }, context);
  const request: SessionRequest | null = flags.reuseSession !== undefined ? null : {
    limits: launchLimits(limits, flags),
    make_active: false,
    session_type: agent.sessionType,
    idle_seconds: flags.idle ?? IDLE_S,
    on_limit: "auto",
    metadata: { agent: agent.name, model: model.id },
    ...(limits.ttl_hours === null ? {} : { ttl_seconds: limits.ttl_hours * 3600 }),
  };
  return { connection, program, model: model.id, directory, invocation, request };
}

function checkFlags(flags: LaunchFlags): void {
  if (flags.url !== undefined && flags.baseUrl !== undefined) {
    throw usage("--url and --base-url are the same: give one");
  }
  if (flags.reuseSession === undefined) return;
  checkSessionId(flags.reuseSession);
  const own = flags.limitCostUsd ?? flags.limitTokens ?? flags.limitGpuHours ??
    flags.limitApiCalls ?? flags.soft ?? flags.window ?? flags.warningThreshold ?? flags.idle;
  if (flags.inferOnly) throw usage("--infer-only needs a session of its own");
  if (own !== undefined) throw usage("--reuse-session keeps that session's limits and times");
}

/** Better now than in the agent's first request. */
async function checkScopes({ client }: Connection, { inferOnly }: LaunchFlags): Promise<void> {
  const { scopes } = await client.me();
  const needed: Scope[] = ["infer", "sessions", ...(inferOnly ? ["admin"] as const : [])];
  const missing = needed.filter((scope) => !scopes.includes(scope));
  if (missing.length === 0) return;
  throw new SynthError(`The API key may not ${missing.join(" and ")}`, {
    code: "insufficient_scope",
    exitCode: EXIT.auth,
    hint: `Use a key with the scopes ${needed.join(", ")}: synth keys create` +
      (inferOnly ? ", or leave --infer-only out" : ""),
  });
}

async function writeFiles(
  context: CliContext,
  { connection, directory, invocation }: Prepared,
): Promise<void> {
  if (invocation.files.length === 0) return;
  await ensureHome(context, connection.paths.home);
  await makePrivateDirectory(directory);
  // Their names come from their content: one that is there already is the same.
  for (const { path, content } of invocation.files) await createPrivateFile(path, content);
}

function show(context: CliContext, prepared: Prepared, flags: LaunchFlags): void {
  const { connection, program, model, invocation, request } = prepared;
  printJson(context, {
    gateway: connection.url,
    model,
    argv: [program, ...invocation.args],
    env: {
      ...invocation.env,
      [KEY_VARIABLE]: flags.inferOnly ? "a new key" : maskKey(connection.key.key),
      [SESSION_VARIABLE]: flags.reuseSession ?? "sess_...",
    },
    files: invocation.files.map(({ path }) => path),
    session: request,
  });
}

function beatMs({ idle = IDLE_S }: LaunchFlags): number {
  return Math.min(BEAT_S, idle / 3) * 1000;
}

function definedOf(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const defined: [string, string][] = [];
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined) defined.push([name, value]);
  }
  return Object.fromEntries(defined);
}

function usage(message: string): SynthError {
  return new SynthError(message, { code: "usage", exitCode: EXIT.usage });
}
