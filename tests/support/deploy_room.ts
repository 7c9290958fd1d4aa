/** A machine of its own on which task apps are deployed. @module */
import { assertEquals } from "@std/assert";
import { ServiceRecords } from "@synth/task-app/records";
import { TunnelRoom } from "../../task_app/tunnels/testing/tunnel_room.ts";
import { runSynth, startSynth, type SynthProcess, type SynthResult } from "./synth_process.ts";

/** The key of the room's task apps. */
export const DEPLOY_KEY = "key-of-the-deploy-tests-0123456789";

/** A configuration that serves all routes. */
export const ECHO_APP = `
const info = { task: { id: "echo", name: "Echo" }, environment: "echo" };
export const config = {
  appId: "echo", name: "Echo", description: "", baseTaskInfo: info,
  describeTaskset: () => ({ size: 1 }),
  provideTaskInstances: (seeds) => seeds.map(() => info),
  rollout: (request) => ({
    run_id: request.run_id, metrics: { episode_returns: [1], mean_return: 1, num_steps: 1 },
  }),
};
console.log("printed by the file");
`;

/** What `synth deploy --json` prints, as far as tests look at it. */
export interface DeployedJson {
  readonly id: string;
  readonly url: string;
  readonly local_url: string;
  readonly port: number;
  readonly pid: number;
  readonly app_id: string;
  readonly log_file: string;
  readonly env_file: string | null;
  readonly tunnel: { readonly id: string; readonly hostname: string } | null;
}

/** What a test stands in. Disposing ends every process that was deployed. */
export class DeployRoom implements AsyncDisposable {
  readonly machine: TunnelRoom;
  readonly #env: Record<string, string>;

  private constructor(machine: TunnelRoom) {
    this.machine = machine;
    this.#env = {
      ...machine.env,
      ...machine.edge.environment(machine.path),
      ENVIRONMENT_API_KEY: DEPLOY_KEY,
    };
    delete this.#env["SYNTH_API_KEY"];
  }

  /** @param scripts what `cloudflared` does, start by start */
  static async make(app: string = ECHO_APP, ...scripts: string[]): Promise<DeployRoom> {
    const room = new DeployRoom(await TunnelRoom.make(...scripts));
    await Deno.mkdir(room.path);
    await room.write("app.ts", app);
    return room;
  }

  /** Where the task app's file lies. */
  get path(): string {
    return `${this.machine.path}/project`;
  }

  get home(): string {
    return this.machine.home;
  }

  async write(name: string, text: string): Promise<void> {
    await Deno.writeTextFile(`${this.path}/${name}`, text);
  }

  /** Starts `synth deploy ARGS`. */
  start(args: readonly string[], env: Record<string, string> = {}): SynthProcess {
    return startSynth(["deploy", ...args], this.#options(env));
  }

  /** Runs `synth deploy ARGS` to its end. */
  async deploy(args: readonly string[], env: Record<string, string> = {}): Promise<SynthResult> {
    return await runSynth(["deploy", ...args], this.#options(env));
  }

  /** Runs it, wants it to succeed, and reads what it printed. */
  async json<T = DeployedJson>(
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<T> {
    const { code, stdout, stderr } = await this.deploy([...args, "--json"], env);
    assertEquals(code, 0, stderr);
    return JSON.parse(stdout);
  }

  get records(): ServiceRecords {
    return new ServiceRecords({ home: this.home });
  }

  /** Records, directories of deployments, and files of tunnels that are there. */
  async left(): Promise<string[]> {
    const found = (await this.records.list()).map(({ id }) => `record ${id}`);
    try {
      for await (const { name } of Deno.readDir(`${this.home}/deployments`)) found.push(name);
    } catch {
      // None was made.
    }
    return [...found, ...await this.machine.files()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { type, pid } of await this.records.list()) {
      if (type !== "deployment" || pid === null) continue;
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    }
    await this.machine[Symbol.asyncDispose]();
  }

  #options(env: Record<string, string>) {
    return { cwd: this.path, env: { ...this.#env, ...env }, permissions: ["run"] };
  }
}

/** Asks a path with a key. */
export async function askApp(url: string, path: string, key: string): Promise<number> {
  const response = await fetch(url + path, { headers: { "x-api-key": key } });
  await response.body?.cancel();
  return response.status;
}

/** Whether somebody listens on a port. */
export async function listensOn(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
