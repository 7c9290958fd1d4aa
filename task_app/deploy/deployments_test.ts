import { assertEquals } from "@std/assert";
import type { ProcessProbe } from "../records/process_identity.ts";
import { ServiceRecords } from "../records/service_records.ts";
import { Deployments } from "./deployments.ts";
import { ModalCli } from "./modal_cli.ts";

Deno.test("a served app whose id Modal never told is not looked for by its name, which may be another's there", async () => {
  const home = await Deno.makeTempDir({ prefix: "synth-deployments-" });
  try {
    const processes: ProcessProbe = {
      identify: (pid) => Promise.resolve({ pid, pid_started: "then", pid_scope: "here" }),
      state: () => Promise.resolve("gone"),
    };
    await new ServiceRecords({ home, processes }).add({
      id: "dep_1",
      type: "deployment",
      target: "modal",
      mode: "serve",
      name: "capitals",
      url: "https://tests--capitals-dev.modal.run",
      port: null,
      local_host: "127.0.0.1",
      pid: 4_000_000,
    });
    let asked = 0;
    const deployments = new Deployments({
      home,
      processes,
      platforms: {
        modal: () => {
          asked++;
          return Promise.resolve(new ModalCli({ program: "/bin/true", env: {}, cwd: "/" }));
        },
        wrangler: () => Promise.reject(new Error("not asked for")),
      },
    });
    assertEquals(await deployments.stop("capitals", new AbortController().signal), "gone");
    assertEquals([asked, await deployments.list(new AbortController().signal)], [0, []]);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});
