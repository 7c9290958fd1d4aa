/** Where things lie on this machine. @module */
import { posix, win32 } from "node:path";
import { SynthError } from "@synth/core";
import { CONFIG_FILE } from "@synth/core/config";
import { dataDirectory } from "@synth/core/platform";
import type { CliContext } from "../context.ts";

/** The places that commands use. */
export interface Paths {
  /** State and secrets. */
  readonly home: string;
  /** The user's configuration. */
  readonly userConfig: string;
  /** The API key of the first start. */
  readonly apiKey: string;
  /** What `synth setup` keeps. */
  readonly credentials: string;
  /** Which gateway runs. */
  readonly gateway: string;
  /** Which project files are trusted. */
  readonly trust: string;
}

/**
 * Finds the places: `--home` > `SYNTH_HOME` > the user's data directory. With either of the first two the user's
 * configuration lies there as well, else in the user's configuration directory.
 *
 * @throws {SynthError} `no_home` when the environment tells no directory
 */
export function findPaths(
  context: Pick<CliContext, "env" | "cwd" | "os">,
  homeFlag?: string,
): Paths {
  const chosen = homeFlag ?? nonEmpty(context.env.SYNTH_HOME);
  const home = absolute(
    context,
    chosen ?? dataDirectory({ env: (name) => context.env[name], os: context.os }),
  );
  const configDir = chosen === undefined ? defaultConfigDir(context) : home;
  return {
    home,
    userConfig: joinPath(context, configDir, CONFIG_FILE),
    apiKey: joinPath(context, home, "api_key"),
    credentials: joinPath(context, home, "credentials.json"),
    gateway: joinPath(context, home, "gateway.json"),
    trust: joinPath(context, home, "trust.json"),
  };
}

/** Joins with the system's separator. */
export function joinPath(context: Pick<CliContext, "os">, ...parts: string[]): string {
  return (context.os === "windows" ? win32 : posix).join(...parts);
}

/** A path that does not depend on the working directory, without `.` and `..`. */
export function absolute(context: Pick<CliContext, "cwd" | "os">, path: string): string {
  const { resolve } = context.os === "windows" ? win32 : posix;
  return resolve(context.cwd, path);
}

function defaultConfigDir(context: Pick<CliContext, "env" | "os">): string {
  const { env, os } = context;
  if (os === "windows") return joinPath(context, required(env.APPDATA, "APPDATA"), "synth");
  const config = nonEmpty(env.XDG_CONFIG_HOME);
  if (config !== undefined) return joinPath(context, config, "synth");
  return joinPath(context, required(env.HOME, "HOME"), ".config", "synth");
}

function required(value: string | undefined, name: string): string {
  if (value !== undefined && value !== "") return value;
  throw new SynthError("There is no directory for the configuration", {
    code: "no_home",
    hint: `Set SYNTH_HOME or ${name}`,
  });
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
