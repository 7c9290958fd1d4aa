/** What `synth tunnel install` does. @module */
import { EXIT, SynthError } from "@synth/core";
import { onSignal } from "@synth/core/platform";
import { installCloudflared } from "@synth/task-app/tunnels";
import type { CliContext } from "../context.ts";
import { printJson, printLine, say } from "../output/print.ts";
import { ensureHome } from "../state/home.ts";
import { absolute, findPaths } from "../state/paths.ts";

/** Flags of the command. */
export interface TunnelInstallFlags {
  readonly home?: string;
  readonly json: boolean;
  readonly sha256?: string;
  readonly checksums?: string;
  readonly release?: string;
  readonly from?: string;
}

/** Installs it. */
export async function runTunnelInstall(this: CliContext, flags: TunnelInstallFlags): Promise<void> {
  const { home } = findPaths(this, flags.home);
  await ensureHome(this, home);
  const stop = new AbortController();
  const interrupted = new SynthError("Interrupted: nothing was installed", {
    code: "interrupted",
    exitCode: EXIT.interrupted,
  });
  const unlisten = onSignal(["SIGINT", "SIGTERM"], () => stop.abort(interrupted));
  try {
    const result = await installCloudflared({
      home,
      env: (name) => this.env[name],
      signal: stop.signal,
      ...(flags.sha256 === undefined ? {} : { sha256: flags.sha256 }),
      ...(flags.checksums === undefined
        ? {}
        : { checksums: flags.checksums === "github" ? "github" : place(this, flags.checksums) }),
      ...(flags.release === undefined ? {} : { release: flags.release }),
      ...(flags.from === undefined ? {} : { from: place(this, flags.from) }),
    });
    say(
      this,
      `${result.version} was installed; its SHA-256 is vouched for by ${result.vouched_by}`,
    );
    if (flags.json) printJson(this, result);
    else printLine(this, result.path);
  } finally {
    unlisten();
  }
}

function place(context: CliContext, source: string): string {
  return /^https?:\/\//i.test(source) ? source : absolute(context, source);
}
