/** Flags that several commands share. @module */

/** `--config` */
export const configFlag = {
  kind: "parsed",
  parse: String,
  brief: "Read this file instead of yours and the project's",
  placeholder: "file",
  optional: true,
} as const;

/** `--home` */
export const homeFlag = {
  kind: "parsed",
  parse: String,
  brief: "Directory of the state (SYNTH_HOME)",
  placeholder: "dir",
  optional: true,
} as const;

/** `--json` */
export const jsonFlag = { kind: "boolean", brief: "Print JSON", default: false } as const;

/** `--base-url` */
export const baseUrlFlag = {
  kind: "parsed",
  parse: String,
  brief: "Address of the gateway (BACKEND_BASE_URL)",
  placeholder: "url",
  optional: true,
} as const;

/** Flags of every command that calls a gateway. */
export const clientFlags = {
  baseUrl: baseUrlFlag,
  config: configFlag,
  home: homeFlag,
  json: jsonFlag,
} as const;

/** Makes an optional flag out of a function that reads it. */
export function optionalFlag<T>(
  brief: string,
  placeholder: string,
  parse: (text: string) => T,
): {
  readonly kind: "parsed";
  readonly parse: (text: string) => T;
  readonly brief: string;
  readonly placeholder: string;
  readonly optional: true;
} {
  return { kind: "parsed", parse, brief, placeholder, optional: true };
}
