/** Refuses options that cannot work, before anything is started. @module */
import { EXIT, SynthError } from "@synth/core";
import type { InProcessTaskAppOptions, TaskAppMode } from "./options.ts";

const HOSTS: readonly string[] = ["127.0.0.1", "localhost", "0.0.0.0"];
const MODES: readonly string[] = ["local", "quick", "managed", "preconfigured"];
const SOURCES = ["app", "config", "configFactory", "taskAppPath"] as const;
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/;
const HEADER_VALUE = /^[\x21-\x7e]{1,4096}$/;
const MIN_PORT = 1024;
const MAX_PORT = 65_535;

/** Checks all that can be checked without a look at the machine. @throws {SynthError} with exit code 2 */
export function validateOptions(options: InProcessTaskAppOptions): void {
  const given = SOURCES.filter((name) => options[name] !== undefined);
  if (given.length !== 1) {
    throw invalid(
      "invalid_source",
      `Provide exactly one of ${SOURCES.join(", ")}; ${
        given.length === 0 ? "none is given" : `given are ${given.join(", ")}`
      }`,
    );
  }
  validatePort(options.port);
  validateHost(options.host);
  parseMode(options.tunnelMode ?? "quick", "tunnelMode");
  validateKey(options.apiKey);
  validateHeader(options.preconfiguredAuthHeader, options.preconfiguredAuthToken);
  if (options.preconfiguredUrl !== undefined) parsePublicUrl(options.preconfiguredUrl);
  for (const name of ["healthCheckTimeoutMs", "startTimeoutMs", "stopTimeoutMs"] as const) {
    const ms = options[name];
    if (ms !== undefined && !(ms > 0 && ms <= 2 ** 31 - 1)) {
      throw invalid("invalid_timeout", `${name} must be a number of milliseconds above 0`);
    }
  }
}

/** The mode of a name. @throws {SynthError} `invalid_tunnel_mode` */
export function parseMode(name: string, where: string): TaskAppMode {
  const mode = name === "named" ? "managed" : name;
  if (MODES.includes(mode)) return mode as TaskAppMode;
  throw invalid(
    "invalid_tunnel_mode",
    `tunnel_mode must be one of local, quick, managed (or named), preconfigured; ${where} is ${
      JSON.stringify(name)
    }`,
  );
}

/** A URL without slashes at its end. @throws {SynthError} `invalid_preconfigured_url` */
export function parsePublicUrl(text: string): string {
  const url = URL.parse(text.trim());
  const plain = url !== null && (url.protocol === "https:" || url.protocol === "http:") &&
    url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if (plain) return url.href.replace(/\/{1,64}$/, "");
  throw invalid(
    "invalid_preconfigured_url",
    "The URL of the task app must start with https:// or http:// and hold no user, query or fragment",
  );
}

/** Whether a key can be sent in a header. @throws {SynthError} `invalid_api_key`, without the key */
export function validateKey(key: string | null | undefined): void {
  if (key === undefined || key === null || /^[\x21-\x7e]{1,512}$/.test(key)) return;
  throw invalid(
    "invalid_api_key",
    "The task app's key is empty, too long, or holds spaces or special characters",
  );
}

function validatePort(port: number | undefined): void {
  if (port === undefined || port === 0) return;
  if (Number.isInteger(port) && port >= MIN_PORT && port <= MAX_PORT) return;
  throw invalid("invalid_port", `Port must be in range [${MIN_PORT}, ${MAX_PORT}], got ${port}`);
}

function validateHost(host: string | undefined): void {
  if (host === undefined || HOSTS.includes(host)) return;
  throw invalid(
    "invalid_host",
    `Host must be one of ${HOSTS.join(", ")}, got ${JSON.stringify(host)}`,
  );
}

function validateHeader(name: string | undefined, value: string | undefined): void {
  if (name === undefined && value === undefined) return;
  if (name === undefined || value === undefined) {
    throw invalid(
      "invalid_auth_header",
      "preconfiguredAuthHeader and preconfiguredAuthToken go together",
    );
  }
  if (HEADER_NAME.test(name) && HEADER_VALUE.test(value.replace(/^(?:Bearer|Basic) /, ""))) return;
  throw invalid(
    "invalid_auth_header",
    "preconfiguredAuthHeader or preconfiguredAuthToken cannot be sent as a header",
  );
}

function invalid(code: string, message: string): SynthError {
  return new SynthError(message, { code, status: 400, exitCode: EXIT.usage });
}
