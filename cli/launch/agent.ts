/** What a coding agent is to its launcher. @module */
import type { ModelObject } from "@synth/core/api";
import type { CliContext } from "../context.ts";

/** Environment variable with the key that an agent sends. */
export const KEY_VARIABLE = "SYNTH_API_KEY";
/** Environment variable with the session's id. */
export const SESSION_VARIABLE = "SYNTH_SESSION_ID";
/** Header that attaches a request to a session. */
export const SESSION_HEADER = "X-Synth-Session-ID";

/** What an agent is started with. */
export interface Plan {
  /** Path of the program. */
  readonly program: string;
  /** The gateway's root, without a slash at the end. */
  readonly url: string;
  /** The model to begin with. */
  readonly model: ModelObject;
  /** All that the gateway has, `model` among them. */
  readonly models: readonly ModelObject[];
  /** Arguments of the user. */
  readonly args: readonly string[];
  /** Directory for files that an agent reads. */
  readonly directory: string;
  /** Whether the agent is told about our models in its own format. */
  readonly catalog: boolean;
}

/** A file that must be there before the agent starts. It holds no secret. */
export interface LaunchFile {
  readonly path: string;
  readonly content: string;
}

/** A command line, ready to run once key and session are in its environment. */
export interface Invocation {
  readonly args: readonly string[];
  /** Beside the user's environment, key and session. */
  readonly env: Readonly<Record<string, string>>;
  readonly files: readonly LaunchFile[];
  /** What the user should know. */
  readonly notes: readonly string[];
}

/** An agent that we can start. */
export interface Agent {
  /** Its program, and our command. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  readonly sessionType: string;
  /** File in the working directory with its `[session]`. */
  readonly limitsFile: string;
  /** Commands that install it. */
  readonly install: readonly string[];
  /** Refuses arguments that would lead requests around the session. @throws {SynthError} `usage` */
  checkArgs(args: readonly string[]): void;
  /** Works out how to start it. Changes nothing. */
  prepare(plan: Plan, context: CliContext): Promise<Invocation>;
}
