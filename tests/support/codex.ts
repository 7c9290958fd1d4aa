/** Runs the real Codex CLI against a Responses API. @module */
import { codexBinary } from "./install.ts";
import { isRecord, type Rec } from "./response_shape.ts";
import { type ProgramResult, runProgram } from "./run_program.ts";

/** What a run of `codex exec` left. */
export interface CodexResult extends ProgramResult {
  /** The events that it printed. */
  readonly events: Rec[];
  /** The text of its agent messages. */
  readonly messages: string[];
  /** The error of a failed turn. */
  readonly error: string | null;
}

/** A home directory for Codex, with a provider that is the gateway. */
export interface CodexHome extends AsyncDisposable {
  /** The directory that Codex works in. */
  readonly work: string;
  /** Runs one turn. */
  exec(model: string, prompt: string, more?: string[]): Promise<CodexResult>;
}

/** What differs from Codex's usual settings. */
export interface CodexSettings {
  /** The provider's name; Codex does more for one that is called `OpenAI`. @default {"synth"} */
  readonly provider?: string;
  /** More lines for the top of `config.toml`. */
  readonly config?: string;
  /** More lines for the provider. */
  readonly providerConfig?: string;
}

/** Makes a home directory for Codex. */
export async function codexHome(
  origin: string,
  apiKey: string,
  settings: CodexSettings = {},
): Promise<CodexHome> {
  const binary = await codexBinary();
  const home = await Deno.makeTempDir({ prefix: "synth-codex-" });
  const work = `${home}/work`;
  await Deno.mkdir(work);
  await Deno.mkdir(`${home}/.codex`);
  await Deno.writeTextFile(
    `${home}/.codex/config.toml`,
    `
model_provider = "synth"
approval_policy = "never"
sandbox_mode = "danger-full-access"
${settings.config ?? ""}
[model_providers.synth]
name = "${settings.provider ?? "synth"}"
base_url = "${origin}/api/v1"
wire_api = "responses"
env_key = "SYNTH_API_KEY"
${settings.providerConfig ?? ""}
`,
  );
  return {
    work,
    async exec(model, prompt, more = []): Promise<CodexResult> {
      const result = await runProgram(binary, {
        args: ["exec", "--skip-git-repo-check", "--json", "-m", model, ...more, prompt],
        cwd: work,
        env: { HOME: home, SYNTH_API_KEY: apiKey },
      });
      const events = result.stdout.split("\n").filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line) as Rec);
      return { ...result, events, messages: messagesOf(events), error: errorOf(events) };
    },
    [Symbol.asyncDispose]: () => Deno.remove(home, { recursive: true }),
  };
}

function messagesOf(events: Rec[]): string[] {
  return events.flatMap((event) => {
    const item = event.type === "item.completed" && isRecord(event.item) ? event.item : {};
    return item.type === "agent_message" ? [String(item.text)] : [];
  });
}

function errorOf(events: Rec[]): string | null {
  for (const event of events) {
    if (event.type === "turn.failed" && isRecord(event.error)) return String(event.error.message);
  }
  return null;
}
