/** Codex on the gateway: everything goes by `-c` overrides, its own files stay as they are. @module */
import type { CliContext } from "../context.ts";
import { joinPath } from "../state/paths.ts";
import {
  type Agent,
  type Invocation,
  KEY_VARIABLE,
  type LaunchFile,
  type Plan,
  SESSION_HEADER,
  SESSION_VARIABLE,
} from "./agent.ts";
import { catalogText, readTemplate } from "./codex_catalog.ts";
import { askProgram } from "./ask_program.ts";
import { flagsOf, refuse } from "./refuse_args.ts";

/** A name of its own: Codex lays an override over a provider of the same name, and would keep that one's headers. */
const PROVIDER = "synth_launch";

/** Settings that decide where requests go. */
const ROUTES =
  /^(?:model_provider|model_providers|openai_base_url|chatgpt_base_url|oss_provider)\b/;

/** Codex. */
export const codexAgent: Agent = {
  name: "codex",
  title: "Codex",
  sessionType: "codex_agent",
  limitsFile: "codex.toml",
  install: ["npm install -g @openai/codex", "brew install codex"],
  checkArgs,
  prepare,
};

function checkArgs(args: readonly string[]): void {
  for (const { name, value } of flagsOf(args)) {
    if (name === "--oss" || name === "--local-provider" || name === "--remote") {
      refuse("Codex", name, "its requests would not go through the gateway");
    }
    if ((name === "-c" || name === "--config") && ROUTES.test(value.replace(/["'\s]/g, ""))) {
      refuse("Codex", `${name} ${value.split("=", 1)[0]}`, "synth sets where requests go");
    }
    if (name === "-m" || name === "--model") {
      refuse("Codex", name, "give --model to synth, before the --");
    }
  }
}

async function prepare(plan: Plan, context: CliContext): Promise<Invocation> {
  const help = await askProgram(plan.program, ["--help"]);
  const provider = `{name="synth",base_url=${toml(`${plan.url}/v1`)},` +
    `env_key=${toml(KEY_VARIABLE)},wire_api="responses",` +
    `env_http_headers={${toml(SESSION_HEADER)}=${toml(SESSION_VARIABLE)}}}`;
  const settings = [`model_providers.${PROVIDER}=${provider}`, `model_provider=${toml(PROVIDER)}`];
  const notes: string[] = [];
  const files: LaunchFile[] = [];
  if (plan.catalog) {
    const file = await catalogFile(plan, context);
    if (file === null) {
      notes.push("Codex gave no description of a model to go by: it will say that it knows none");
    } else {
      files.push(file);
      settings.push(`model_catalog_json=${toml(file.path)}`);
    }
  }
  return {
    args: [
      // A server that other windows share has been started with another environment.
      ...(help?.includes("--no-daemon") ? ["--no-daemon"] : []),
      ...settings.flatMap((setting) => ["-c", setting]),
      "-m",
      plan.model.id,
      ...plan.args,
    ],
    env: {},
    files,
    notes,
  };
}

/** Named by its content, so that launchers which run at once do not disturb one another. */
async function catalogFile(plan: Plan, context: CliContext): Promise<LaunchFile | null> {
  const template = readTemplate(await askProgram(plan.program, ["debug", "models"]) ?? "");
  if (template === null) return null;
  const content = catalogText(template, plan.models);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(content));
  const name = `codex-models-${new Uint8Array(digest).toHex().slice(0, 16)}.json`;
  return { path: joinPath(context, plan.directory, name), content };
}

/** A basic string of TOML; JSON's are such. */
function toml(text: string): string {
  return JSON.stringify(text);
}
