/** What a task app gets on Modal. @module */
import * as z from "zod";
import { EXIT, SynthError } from "@synth/core";

/**
 * Resources of a deployment on Modal. The defaults are synth-ai's, but for `minContainers`: a container that waits for requests costs money around
 * the clock, so somebody has to ask for it.
 */
export interface ModalDeploymentConfig {
  /** Letters, digits, `.`, `_` and `-`, at most 64. */
  readonly appName: string;
  /** @default {"3.11"} */
  readonly pythonVersion: string;
  /** Beside `deno`. @default {none} */
  readonly pipPackages: readonly string[];
  /** Directories of this machine, and where they are put. @default {none} */
  readonly extraLocalDirs: readonly { readonly local: string; readonly remote: string }[];
  /** Modal's secrets whose variables the app gets. @default {none} */
  readonly secretNames: readonly string[];
  /** Modal's volumes, made when they are missing. @default {none} */
  readonly volumeMounts: readonly { readonly name: string; readonly path: string }[];
  /** Seconds of a request. @default {600} */
  readonly timeoutS: number;
  /** @default {4096} */
  readonly memoryMib: number;
  /** Cores. @default {2} */
  readonly cpu: number;
  /** Containers that are always there. @default {0} */
  readonly minContainers: number;
  /** @default {4} */
  readonly maxContainers: number;
}

/** The same before defaults. */
export type ModalDeploymentInput =
  & Pick<ModalDeploymentConfig, "appName">
  & { readonly [key in keyof ModalDeploymentConfig]?: ModalDeploymentConfig[key] | undefined };

const name: z.ZodType<string> = z.string().max(64).regex(/^[A-Za-z0-9._-]+$/).refine(
  (text) => !/^ap-[A-Za-z0-9]{22}$/.test(text),
  "it looks like the id of an app",
);
const remotePath: z.ZodType<string> = z.string().startsWith("/").refine(
  (path) => !path.split("/").includes("..") && path !== "/" && !path.includes("\0"),
  "it has to be an absolute path without ..",
);
/** One requirement as pip reads it; no option can hide in it. */
const requirement: z.ZodType<string> = z.string().max(256).regex(
  /^[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[A-Za-z0-9._,-]+\])?(?:(?:==|>=|<=|~=|!=|<|>)[A-Za-z0-9.*+!_-]+(?:,(?:==|>=|<=|~=|!=|<|>)[A-Za-z0-9.*+!_-]+)*)?$/,
);

const schema: z.ZodType<ModalDeploymentConfig> = z.object({
  appName: name,
  pythonVersion: z.string().regex(/^3\.[0-9]{1,2}$/).default("3.11"),
  pipPackages: z.array(requirement).default([]),
  extraLocalDirs: z.array(z.object({ local: z.string().min(1), remote: remotePath })).default([]),
  secretNames: z.array(name).default([]),
  volumeMounts: z.array(z.object({ name, path: remotePath })).default([]),
  timeoutS: z.int().min(1).max(86_400).default(600),
  memoryMib: z.int().min(128).max(344_064).default(4096),
  cpu: z.number().min(0.125).max(64).default(2),
  minContainers: z.int().min(0).max(1000).default(0),
  maxContainers: z.int().min(1).max(1000).default(4),
}).refine(({ minContainers, maxContainers }) => minContainers <= maxContainers, {
  message: "it is more than maxContainers",
  path: ["minContainers"],
});

/** Checks a configuration. @throws {SynthError} `invalid_modal_config`, exit code 2 */
export function parseModalConfig(input: ModalDeploymentInput): ModalDeploymentConfig {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new SynthError(
    `The Modal setting ${issue?.path.join(".") ?? ""} is not usable: ${issue?.message ?? ""}`,
    {
      code: "invalid_modal_config",
      status: 400,
      exitCode: EXIT.usage,
      hint: "See synth deploy run --help for what each takes",
    },
  );
}
