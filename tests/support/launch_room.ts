/**
 * All that a launcher needs, of its own: a scripted model, a gateway, a tap between agent and gateway, a home directory with the real agents.
 *
 * @module
 */
import { SynthClient } from "@synth/core/api";
import { scriptedConfig, startGatewayProcess } from "./gateway_process.ts";
import { codexBinary, opencodeBinary } from "./install.ts";
import { runProgram } from "./run_program.ts";
import { type ScriptedUpstream, startUpstream, type UpstreamOptions } from "./scripted_upstream.ts";
import { startSynth, type SynthProcess } from "./synth_process.ts";
import { startTap, type Tap } from "./tap.ts";

/** The room. */
export interface LaunchRoom extends AsyncDisposable {
  readonly upstream: ScriptedUpstream;
  readonly tap: Tap;
  readonly client: SynthClient;
  /** The gateway itself; a hang-up does not get through the tap. */
  readonly gateway: string;
  /** The agents' home directory. */
  readonly home: string;
  /** Their working directory. */
  readonly work: string;
  /** Starts `synth ARGS` in the working directory. */
  launch(...args: string[]): SynthProcess;
  /** Ends the gateway. */
  stopGateway(): Promise<void>;
  /** Requests of the model that agents sent. */
  turns(): number;
  /** What is wrong with the agents' own files; empty when they are as they were. */
  changedFiles(): Promise<string[]>;
}

/** Settings of the agents that must come out as they went in. They lead elsewhere unless the launcher overrules them. */
const OWN_FILES: Readonly<Record<string, string>> = {
  ".codex/config.toml": `approval_policy = "never"
sandbox_mode = "danger-full-access"
model = "gpt-5.5"
model_provider = "elsewhere"
[model_providers.elsewhere]
name = "elsewhere"
base_url = "http://127.0.0.1:9/v1"
wire_api = "responses"
[model_providers.synth]
name = "old"
base_url = "http://127.0.0.1:9/v1"
wire_api = "responses"
`,
  ".config/opencode/opencode.json": JSON.stringify({
    // opencode itself adds it where it is missing.
    $schema: "https://opencode.ai/config.json",
    autoupdate: false,
    share: "disabled",
    model: "elsewhere/m",
    permission: { bash: "allow", edit: "allow" },
    provider: {
      elsewhere: {
        npm: "@ai-sdk/openai",
        options: { baseURL: "http://127.0.0.1:9/v1", apiKey: "x" },
        models: { m: {} },
      },
    },
  }),
};

/** Opens a room. */
export async function openLaunchRoom(options: UpstreamOptions = {}): Promise<LaunchRoom> {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream(options));
  const gateways = stack.use(new AsyncDisposableStack());
  const gateway = gateways.use(
    await startGatewayProcess({ config: scriptedConfig(upstream.baseUrl) }),
  );
  const tap = stack.use(startTap(gateway.origin));
  const home = await Deno.realPath(await Deno.makeTempDir({ prefix: "synth-launch-" }));
  stack.defer(() => Deno.remove(home, { recursive: true }));
  const work = `${home}/work`;
  for (const name of ["work", "bin", "state", ".codex", ".config/opencode"]) {
    await Deno.mkdir(`${home}/${name}`, { recursive: true, mode: 0o700 });
  }
  for (const [name, text] of Object.entries(OWN_FILES)) {
    await Deno.writeTextFile(`${home}/${name}`, text);
  }
  await Deno.symlink(await codexBinary(), `${home}/bin/codex`);
  await Deno.symlink(await opencodeBinary(), `${home}/bin/opencode`);
  await runProgram("git", { args: ["init", "-q"], cwd: work, env: { HOME: home } });
  const env = {
    HOME: home,
    PATH: `${home}/bin:${Deno.env.get("PATH") ?? ""}`,
    DENO_DIR: await denoDirectory(),
    SYNTH_HOME: `${home}/state`,
    SYNTH_API_KEY: gateway.apiKey,
    BACKEND_BASE_URL: tap.origin,
    OPENCODE_DISABLE_AUTOUPDATE: "1",
    OPENCODE_DISABLE_MODELS_FETCH: "1",
    OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
  };
  const owned = stack.move();
  return {
    upstream,
    tap,
    gateway: gateway.origin,
    client: new SynthClient({ baseUrl: gateway.origin, apiKey: gateway.apiKey }),
    home,
    work,
    launch: (...args) => startSynth(args, { cwd: work, env, permissions: ["run"] }),
    stopGateway: () => gateways.disposeAsync(),
    turns: () =>
      tap.exchanges.filter(({ method, path }) => method === "POST" && path === "/v1/responses")
        .length,
    async changedFiles(): Promise<string[]> {
      const changed: string[] = [];
      for (const [name, text] of Object.entries(OWN_FILES)) {
        const now = await Deno.readTextFile(`${home}/${name}`).catch(() => null);
        if (now !== text) changed.push(name);
      }
      return changed;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Where Deno keeps its modules, so that a process with another home finds them. */
async function denoDirectory(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { denoDir } = JSON.parse(new TextDecoder().decode(stdout)) as { denoDir: string };
  return denoDir;
}
