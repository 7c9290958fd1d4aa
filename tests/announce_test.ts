/** Task apps in the registry of a real gateway while they run, and gone from it when they stop. */
import { assertEquals } from "@std/assert";
import { silentLogger } from "@synth/core";
import { type RegisteredTaskApp, SynthClient } from "@synth/core/api";
import { InProcessTaskApp } from "@synth/task-app/in-process";
import { announceRunningApp } from "../task_app/in_process/announce_running_app.ts";
import { echoConfig, KEY } from "../task_app/in_process/testing/doubles.ts";
import { type RunningGateway, startGatewayProcess } from "./support/gateway_process.ts";
import { runSynth, startSynth, temporaryDirectory } from "./support/synth_process.ts";

const APP = `
import { echoConfig } from "${new URL(
  "../task_app/in_process/testing/doubles.ts",
  import.meta.url,
)}";
export const config = echoConfig();
`;

/** Asks again until it is so: the announcement is made beside the app, which does not wait for it. */
async function entriesWhen(
  client: SynthClient,
  condition: (entries: RegisteredTaskApp[]) => boolean,
): Promise<RegisteredTaskApp[]> {
  for (let i = 0; i < 2000; i++) {
    const entries = await client.registry.list();
    if (condition(entries)) return entries;
  }
  throw new Error("it never became so");
}

function clientOf({ origin, apiKey }: RunningGateway): SynthClient {
  return new SynthClient({ baseUrl: origin, apiKey });
}

Deno.test("InProcessTaskApp is in the registry of the gateway while it runs", async () => {
  await using gateway = await startGatewayProcess({ config: "" });
  const client = clientOf(gateway);
  {
    await using app = await InProcessTaskApp.start({
      config: echoConfig(),
      tunnelMode: "local",
      port: 0,
      apiKey: KEY,
      records: false,
      handleSignals: false,
      log: silentLogger,
      env: (name) =>
        new Map([["BACKEND_BASE_URL", gateway.origin], ["SYNTH_API_KEY", gateway.apiKey]]).get(
          name,
        ),
    });
    const [entry] = await entriesWhen(client, ({ length }) => length === 1);
    assertEquals([entry?.app_id, entry?.url], ["echo", app.url]);
  }
  assertEquals(await client.registry.list(), []);
});

Deno.test("synth serve is in the registry of the gateway, where synth scan finds it", async () => {
  await using gateway = await startGatewayProcess({ config: "" });
  await using home = await temporaryDirectory();
  await Deno.writeTextFile(`${home.path}/app.ts`, APP);
  const env = {
    SYNTH_HOME: `${home.path}/home`,
    BACKEND_BASE_URL: gateway.origin,
    SYNTH_API_KEY: gateway.apiKey,
    ENVIRONMENT_API_KEY: KEY,
  };
  await using served = startSynth(["serve", "app.ts", "--port", "0"], {
    cwd: home.path,
    env,
    permissions: ["run"],
  });
  const url = await served.firstLine();
  const client = clientOf(gateway);
  await entriesWhen(client, ([entry]) => entry?.url === url);
  // Another user of the machine, without the records of the first.
  const { stdout } = await runSynth(["scan", "--json", "--port-range", "1"], {
    env: { ...env, SYNTH_HOME: `${home.path}/other` },
  });
  const [app] = JSON.parse(stdout).apps;
  assertEquals([app.app_id, app.status, app.sources], ["echo", "healthy", ["registry"]]);
  served.child.kill("SIGTERM");
  assertEquals((await served.result).code, 0);
  assertEquals(await client.registry.list(), []);
});

Deno.test("announceRunningApp tells a gateway elsewhere nothing of an app that only this machine reaches", () => {
  const gateway = { baseUrl: "https://gateway.example", apiKey: "k" };
  const ports = { clock: { ...stillClock }, log: silentLogger };
  const local = { appId: "a", url: "http://127.0.0.1:8114", mode: "local" } as const;
  assertEquals(announceRunningApp(gateway, local, ports), null);
  assertEquals(
    announceRunningApp(
      { ...gateway, baseUrl: "http://localhost:1" },
      { ...local, appId: null },
      ports,
    ),
    null,
  );
});

const stillClock = {
  now: () => 0,
  monotonic: () => 0,
  after: () => () => {},
  sleep: () => Promise.resolve(),
};
