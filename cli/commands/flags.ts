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
