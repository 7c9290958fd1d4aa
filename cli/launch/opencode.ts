/** opencode on the gateway: a configuration in its environment lies over its files, which stay as they are. @module */
import { EXIT, SynthError } from "@synth/core";
import type { ModelObject } from "@synth/core/api";
import type { CliContext } from "../context.ts";
import {
  type Agent,
  type Invocation,
  KEY_VARIABLE,
  type Plan,
  SESSION_HEADER,
  SESSION_VARIABLE,
} from "./agent.ts";
import { flagsOf, refuse } from "./refuse_args.ts";

const OVERLAY = "OPENCODE_CONFIG_CONTENT";
const PROVIDER = "synth";

type Tree = { [key: string]: unknown };

/** opencode. */
export const opencodeAgent: Agent = {
  name: "opencode",
  title: "opencode",
  sessionType: "opencode_agent",
  limitsFile: "opencode.toml",
  install: ["npm install -g opencode-ai", "brew install opencode"],
  checkArgs,
  prepare: (plan, context) => Promise.resolve(prepare(plan, context)),
};

function checkArgs(args: readonly string[]): void {
  if (args[0] === "attach") {
    refuse("opencode", "attach", "that server's requests do not go through the session");
  }
  for (const { name } of flagsOf(args)) {
    if (name === "--attach") {
      refuse("opencode", name, "that server's requests do not go through the session");
    }
    if (name === "-m" || name === "--model") {
      refuse("opencode", name, "give --model to synth, before the --");
    }
  }
}

function prepare(plan: Plan, context: CliContext): Invocation {
  const own = readOwn(context.env[OVERLAY]);
  const overlay = lay(own, configOf(plan));
  return {
    args: plan.args,
    env: { [OVERLAY]: JSON.stringify(overlay) },
    files: [],
    notes: [],
  };
}

/** `enabled_providers`: an agent or a command of the user's configuration that names another provider must fail, not go around the session. */
function configOf({ url, model, models, catalog }: Plan): Tree {
  const known = catalog ? models : [model];
  return {
    $schema: "https://opencode.ai/config.json",
    model: `${PROVIDER}/${model.id}`,
    small_model: `${PROVIDER}/${model.id}`,
    enabled_providers: [PROVIDER],
    disabled_providers: [],
    provider: {
      [PROVIDER]: {
        npm: "@ai-sdk/openai",
        name: "synth",
        options: {
          baseURL: `${url}/v1`,
          apiKey: `{env:${KEY_VARIABLE}}`,
          headers: { [SESSION_HEADER]: `{env:${SESSION_VARIABLE}}` },
        },
        models: Object.fromEntries(known.map((one) => [one.id, modelOf(one)])),
      },
    },
  };
}

const USUAL_OUTPUT = 32_000;

function modelOf({ id, context_window: context, max_output_tokens: output }: ModelObject): Tree {
  return {
    name: id,
    tool_call: true,
    reasoning: true,
    ...(context === null
      ? {}
      : { limit: { context, output: output ?? Math.min(USUAL_OUTPUT, Math.ceil(context / 4)) } }),
  };
}

/** An overlay that the user has already stays, under ours. */
function readOwn(text: string | undefined): Tree {
  if (!text) return {};
  try {
    const content: unknown = JSON.parse(text);
    if (isTree(content)) return content;
  } catch {
    // Reported below, without the text: it may hold a key.
  }
  throw new SynthError(`${OVERLAY} is set and is no JSON object`, {
    code: "agent_config_broken",
    exitCode: EXIT.usage,
    hint: "Correct or unset it",
  });
}

function lay(under: Tree, over: Tree): Tree {
  const result: Map<string, unknown> = new Map(Object.entries(under));
  for (const [key, value] of Object.entries(over)) {
    const there = result.get(key);
    result.set(key, isTree(there) && isTree(value) ? lay(there, value) : value);
  }
  return Object.fromEntries(result);
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
