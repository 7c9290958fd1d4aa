/** What a command knows of the process it runs in; a test makes its own. @module */
import type { StricliProcess } from "@stricli/core";
import type { Environment } from "@synth/core/config";
import { consoleWidth } from "@synth/core/platform";
import { colorDepth } from "./output/color.ts";
import { writeAll } from "./output/write_all.ts";

/** Where text goes. */
export interface Stream {
  readonly write: (text: string) => void;
  readonly getColorDepth: () => number;
  readonly isTerminal: boolean;
  /** Width of the terminal; `null` when there is none, and nothing is to be cut. */
  readonly columns: () => number | null;
  /** Whether its reader has gone, which shows when something is written. */
  readonly gone: () => boolean;
}

/** The process as a value. */
export interface CliContext {
  /** `synth`, or `synth-ai`. */
  readonly name: string;
  readonly process: StricliProcess & { readonly stdout: Stream; readonly stderr: Stream };
  readonly env: Environment;
  /** Absolute. */
  readonly cwd: string;
  readonly os: "windows" | "darwin" | "linux";
}

/** The context of the real process. */
export function processContext(name = "synth"): CliContext {
  const env = Deno.env.toObject();
  const os = Deno.build.os === "windows" || Deno.build.os === "darwin" ? Deno.build.os : "linux";
  return {
    name,
    env,
    cwd: Deno.cwd(),
    os,
    process: {
      stdout: stream(Deno.stdout, env),
      stderr: stream(Deno.stderr, env),
      env,
      exitCode: null,
    },
  };
}

function stream(target: typeof Deno.stdout | typeof Deno.stderr, env: Environment): Stream {
  const encoder = new TextEncoder();
  const isTerminal = target.isTerminal();
  let gone = false;
  return {
    write: (text) => {
      if (!written(target, encoder.encode(text))) gone = true;
    },
    gone: () => gone,
    getColorDepth: () => colorDepth(env, isTerminal),
    isTerminal,
    columns: () => isTerminal ? consoleWidth() ?? null : null,
  };
}

/** A reader that has gone (`synth config show | head`) is no failure of ours. `false` when it has. */
function written(target: typeof Deno.stdout | typeof Deno.stderr, bytes: Uint8Array): boolean {
  try {
    writeAll(target, bytes);
    return true;
  } catch (error) {
    // Messages are lost with their terminal; data that does not arrive is a failure.
    if (target !== Deno.stderr && !(error instanceof Deno.errors.BrokenPipe)) throw error;
    return false;
  }
}
