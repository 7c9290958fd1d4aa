/** The command lines of `cloudflared`. @module */

/** What every tunnel is told. */
export interface TunnelArguments {
  /** Port of the metrics server, on 127.0.0.1. */
  readonly metricsPort: number;
  /** Written when the first connection stands. */
  readonly pidFile: string;
  /** As in `Deno.build.os`. @default {this machine's} */
  readonly os?: string;
}

/** A quick tunnel to an address of this machine. */
export function quickArguments(
  origin: string,
  options: TunnelArguments,
): string[] {
  return ["tunnel", "--url", origin, ...common(options)];
}

/** A managed tunnel: which one, and where it leads, is in the token, which is in the environment. */
export function managedArguments(options: TunnelArguments): string[] {
  return ["tunnel", ...common(options), "run"];
}

function common({ metricsPort, pidFile, os = Deno.build.os }: TunnelArguments): string[] {
  return [
    "--metrics",
    `127.0.0.1:${metricsPort}`,
    "--output",
    "json",
    "--no-autoupdate",
    "--pidfile",
    pidFile,
    // A file of the user's would add rules of its own, and refuses quick tunnels.
    "--config",
    os === "windows" ? "NUL" : "/dev/null",
  ];
}
