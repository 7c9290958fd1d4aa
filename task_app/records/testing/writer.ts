/**
 * A process that works on the records of a directory, for the tests.
 *
 *     writer.ts churn HOME NAME ROUNDS   adds ROUNDS records, removes every second one
 *     writer.ts hold HOME                takes the lock and keeps it
 *     writer.ts fill HOME                adds records until the disk is full
 *
 * @module
 */
import { SynthError, systemClock } from "@synth/core";
import { lockFile } from "../file_lock.ts";
import { ServiceRecords } from "../service_records.ts";

const [what, home = "", name = "", rounds = "0"] = Deno.args;
const records = new ServiceRecords({ home, lockDeadlineMs: 60_000 });

if (what === "churn") {
  for (let round = 0; round < Number(rounds); round++) {
    const { id } = await add(`${name}-${round}`);
    if (round % 2 === 1) await records.remove(id);
  }
} else if (what === "hold") {
  await lockFile(`${records.path}.lock`, { clock: systemClock, deadlineMs: 1000 });
  await new Blob(["held\n"]).stream().pipeTo(Deno.stdout.writable, { preventClose: true });
  setInterval(() => {}, 60_000);
} else {
  try {
    while (true) await add(`${crypto.randomUUID().repeat(50)}`);
  } catch (error) {
    if (!(error instanceof SynthError)) throw error;
    const left = await Array.fromAsync(Deno.readDir(home));
    const seen = {
      code: error.code,
      message: error.message,
      records: (await records.list()).length,
      files: left.map((entry) => entry.name).sort(),
    };
    await new Blob([JSON.stringify(seen)]).stream().pipeTo(Deno.stdout.writable);
  }
}

async function add(appId: string): Promise<{ id: string }> {
  return await records.add({
    type: "local",
    url: "http://127.0.0.1:8114",
    port: 8114,
    local_host: "127.0.0.1",
    app_id: appId,
    pid: Deno.pid,
  });
}
