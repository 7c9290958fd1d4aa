/** Runs the real opencode against the gateway. @module */
import { opencodeBinary } from "./install.ts";
import { type ProgramResult, runProgram } from "./run_program.ts";

/** The packages of the AI SDK that opencode speaks with. */
export type OpencodePackage = "@ai-sdk/openai" | "@ai-sdk/openai-compatible";

/** What differs from the usual settings. */
export interface OpencodeSettings {
  /** `@ai-sdk/openai` speaks the Responses API, the other Chat Completions. @default {"@ai-sdk/openai"} */
  readonly npm?: OpencodePackage;
  /** The model of its turns. @default {"synth-small"} */
  readonly model?: string;
}

/** A home directory for opencode, with a provider that is the gateway. */
export interface OpencodeHome extends AsyncDisposable {
  /** The git repository that it works in. */
  readonly work: string;
  /** Runs one turn. It asks for a title beside it: without tools. */
  run(prompt: string): Promise<ProgramResult>;
  /** The text of a file that it wrote, or `null`. */
  read(name: string): Promise<string | null>;
}

/** Makes a home directory for opencode. */
export async function opencodeHome(
  origin: string,
  apiKey: string,
  settings: OpencodeSettings = {},
): Promise<OpencodeHome> {
  const binary = await opencodeBinary();
  const home = await Deno.makeTempDir({ prefix: "synth-opencode-" });
  const work = `${home}/work`;
  await Deno.mkdir(work);
  await runProgram("git", { args: ["init", "-q"], cwd: work, env: { HOME: home } });
  await Deno.writeTextFile(`${work}/opencode.json`, JSON.stringify(configOf(origin, settings)));
  const env = {
    HOME: home,
    SYNTH_API_KEY: apiKey,
    OPENCODE_DISABLE_AUTOUPDATE: "1",
    OPENCODE_DISABLE_MODELS_FETCH: "1",
    OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
  };
  return {
    work,
    run: (prompt) =>
      runProgram(binary, {
        args: ["run", "--pure", "--format", "json", "--print-logs", prompt],
        cwd: work,
        env,
      }),
    read: (name) => Deno.readTextFile(`${work}/${name}`).catch(() => null),
    [Symbol.asyncDispose]: () => Deno.remove(home, { recursive: true }),
  };
}

function configOf(origin: string, settings: OpencodeSettings): unknown {
  const { npm = "@ai-sdk/openai", model = "synth-small" } = settings;
  const limit = { context: 100_000, output: 8000 };
  return {
    autoupdate: false,
    share: "disabled",
    provider: {
      synth: {
        npm,
        name: "synth",
        options: { baseURL: `${origin}/v1`, apiKey: "{env:SYNTH_API_KEY}" },
        models: { [model]: { name: "small", tool_call: true, reasoning: true, limit } },
      },
    },
    model: `synth/${model}`,
    permission: { bash: "allow", edit: "allow" },
  };
}
