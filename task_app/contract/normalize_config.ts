import * as z from "zod";
import { SynthError } from "@synth/core";
import { parseRubric, type RubricBundle } from "../rubrics/rubric.ts";
import { contractIssues, issuesJson } from "./contract_issue.ts";
import type { FreeObject } from "./free_object.ts";
import type { ProxyConfig, TaskAppConfig, TaskAppConfigInput } from "./task_app_config.ts";
import { TaskInfoSchema } from "./task_info.ts";

const FIELDS = [
  "appId",
  "name",
  "description",
  "baseTaskInfo",
  "describeTaskset",
  "provideTaskInstances",
  "rollout",
  "datasetRegistry",
  "rubrics",
  "proxy",
  "routers",
  "middleware",
  "appState",
  "requireApiKey",
  "legacyAuthStatus",
  "exposeDebugEnv",
  "corsOrigins",
  "strict",
  "limits",
  "startupHooks",
  "shutdownHooks",
] as const;
const PROXY_FIELDS = [
  "enableOpenai",
  "enableGroq",
  "systemHint",
  "openaiUrl",
  "groqUrl",
  "timeoutS",
];
const LIMIT_FIELDS = [
  "maxConcurrentRollouts",
  "maxBodyBytes",
  "bodyTimeoutS",
  "maxJsonDepth",
  "maxSeeds",
  "maxRolloutS",
];

const fn = z.custom<(...args: never[]) => unknown>((value) => typeof value === "function", {
  message: "Invalid input: expected a function",
});
const count = z.int().min(1).optional();
const object = z.custom<object>((value) => typeof value === "object" && value !== null, {
  message: "Invalid input: expected an object",
});

/** Types alone: a configuration is code, but plain JavaScript and files that were loaded are not checked by a compiler. */
const schema = z.object({
  appId: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/, {
    message: "An app id has 1 to 128 letters, digits, '.', '_', ':' and '-'",
  }),
  name: z.string(),
  description: z.string(),
  baseTaskInfo: TaskInfoSchema,
  describeTaskset: fn,
  provideTaskInstances: fn,
  rollout: fn,
  datasetRegistry: object.optional(),
  rubrics: object.optional(),
  proxy: z.object({
    enableOpenai: z.boolean().optional(),
    enableGroq: z.boolean().optional(),
    systemHint: z.string().nullish(),
    openaiUrl: z.url({ protocol: /^https?$/ }).optional(),
    groqUrl: z.url({ protocol: /^https?$/ }).optional(),
    timeoutS: z.number().positive().max(604_800).optional(),
  }).optional(),
  routers: z.array(object).optional(),
  middleware: z.array(fn).optional(),
  appState: object.optional(),
  requireApiKey: z.boolean().optional(),
  legacyAuthStatus: z.boolean().optional(),
  exposeDebugEnv: z.boolean().optional(),
  corsOrigins: z.array(z.string()).nullish(),
  strict: z.boolean().optional(),
  limits: z.object({
    maxConcurrentRollouts: count,
    maxBodyBytes: count,
    bodyTimeoutS: z.number().positive().max(604_800).optional(),
    maxJsonDepth: count,
    maxSeeds: count,
    maxRolloutS: z.number().positive().max(604_800).optional(),
  }).optional(),
  startupHooks: z.array(fn).optional(),
  shutdownHooks: z.array(fn).optional(),
});

/**
 * A configuration in our spelling, checked. Methods keep their `this`.
 *
 * @throws {SynthError} 400 `invalid_task_app_config`, with `issues`, for a missing or wrong field, a field that does not exist, and one that
 *   is given in both spellings
 */
export function normalizeTaskAppConfig(input: TaskAppConfigInput): TaskAppConfig {
  if (typeof input !== "object" || input === null) {
    throw invalid([{ code: "invalid_type", path: "", message: "Expected an object" }]);
  }
  const config = spell(input, FIELDS, "");
  if (isObject(config["proxy"])) {
    config["proxy"] = spell(config["proxy"], PROXY_FIELDS, "proxy.") as ProxyConfig;
  }
  if (isObject(config["limits"])) {
    config["limits"] = spell(config["limits"], LIMIT_FIELDS, "limits.");
  }
  const result = schema.safeParse(config);
  if (!result.success) throw invalid(contractIssues(result.error));
  config["baseTaskInfo"] = result.data.baseTaskInfo;
  if (isObject(config["rubrics"])) config["rubrics"] = parseBundle(config["rubrics"]);
  config["appState"] ??= {};
  return config as unknown as TaskAppConfig;
}

/**
 * A copy whose lists and `appState` are its own: a builder can change it and leave the original as it is.
 *
 * @throws {SynthError} 400 `invalid_task_app_config`
 */
export function cloneTaskAppConfig(input: TaskAppConfigInput): TaskAppConfig {
  const config = normalizeTaskAppConfig(input);
  return {
    ...config,
    appState: { ...config.appState },
    ...(config.routers === undefined ? {} : { routers: [...config.routers] }),
    ...(config.middleware === undefined ? {} : { middleware: [...config.middleware] }),
    ...(config.corsOrigins ? { corsOrigins: [...config.corsOrigins] } : {}),
    ...(config.startupHooks === undefined ? {} : { startupHooks: [...config.startupHooks] }),
    ...(config.shutdownHooks === undefined ? {} : { shutdownHooks: [...config.shutdownHooks] }),
    ...(config.limits === undefined ? {} : { limits: { ...config.limits } }),
    ...(config.proxy === undefined ? {} : { proxy: { ...config.proxy } }),
  };
}

/** The fields under our names; functions are bound, so that a class can be a configuration. Null is absent. */
function spell(input: object, fields: readonly string[], path: string): FreeObject {
  const spelled: FreeObject = {};
  const known = new Set<string>();
  for (const name of fields) {
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    known.add(name).add(snake);
    const value: unknown = Reflect.get(input, name) ?? undefined;
    const other: unknown = snake === name ? undefined : Reflect.get(input, snake) ?? undefined;
    if (value !== undefined && other !== undefined) {
      const message = `${name} and ${snake} are both given`;
      throw invalid([{ code: "ambiguous_field", path: path + name, message }]);
    }
    const given = value ?? other;
    if (given === undefined) continue;
    spelled[name] = typeof given === "function" ? given.bind(input) : given;
  }
  for (const name of Object.keys(input)) {
    // A class may keep things of its own.
    if (known.has(name) || Object.getPrototypeOf(input) !== Object.prototype) continue;
    const message = `There is no ${path}${name.slice(0, 64)}; known are ${fields.join(", ")}`;
    throw invalid([{ code: "unknown_field", path: path + name.slice(0, 64), message }]);
  }
  return spelled;
}

function parseBundle(bundle: object): RubricBundle {
  const parse = (name: "outcome" | "events") => {
    const value: unknown = Reflect.get(bundle, name);
    return value === undefined || value === null ? null : parseRubric(value);
  };
  return { outcome: parse("outcome"), events: parse("events") };
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(issues: ReturnType<typeof contractIssues>): SynthError {
  const [first] = issues;
  return new SynthError(
    `The task app's configuration is not valid${first?.path ? ` at ${first.path}` : ""}: ${
      first?.message ?? ""
    }`,
    {
      code: "invalid_task_app_config",
      status: 400,
      exitCode: 2,
      ...(first?.path ? { param: first.path } : {}),
      details: { issues: issuesJson(issues) },
    },
  );
}
