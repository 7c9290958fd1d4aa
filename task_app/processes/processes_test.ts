import { assert, assertEquals, assertRejects } from "@std/assert";
import { SynthError, systemClock } from "@synth/core";
import { systemProcesses } from "../records/process_identity.ts";
import { RELEASE, startDetached } from "./detached_process.ts";
import { endProcess } from "./end_process.ts";
import { boundLogFile, createLogFile, followLog, readLogTail } from "./log_file.ts";

async function directory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "synth-processes-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

const END = { clock: systemClock, graceMs: 5_000 };

Deno.test("startDetached runs in a session of its own, with this environment alone, its words in a private file", async () => {
  await using dir = await directory();
  const logFile = `${dir.path}/log`;
  const child = await startDetached({
    program: "/bin/sh",
    args: ["-c", "ps -o sid= -p $$; echo out; echo err >&2; env; exit 3"],
    env: { PATH: Deno.env.get("PATH") ?? "", MINE: "1" },
    cwd: dir.path,
    logFile,
  });
  assertEquals(await child.exited, { code: 3, signal: null });
  const text = await readLogTail(logFile);
  assertEquals(Number(text.split("\n", 1)[0]), child.pid);
  assert(text.includes("out\nerr\n") && text.includes("MINE=1"));
  assert(!text.includes("HOME="));
  assertEquals(((await Deno.stat(logFile)).mode ?? 0) & 0o777, 0o600);
  assertEquals(await child.end(END), { code: 3, signal: null });
});

Deno.test("startDetached waits for a program that is still being written, but not for ever", async () => {
  await using dir = await directory();
  const program = `${dir.path}/program`;
  const writer = await Deno.open(program, { write: true, createNew: true, mode: 0o755 });
  await writer.write(new TextEncoder().encode("#!/bin/sh\nexit 4\n"));
  const command = { program, args: [], env: {}, logFile: `${dir.path}/log` };
  await assertRejects(() => startDetached(command), SynthError, "cannot be started");
  const starting = startDetached(command);
  writer.close();
  assertEquals((await (await starting).exited).code, 4);
});

Deno.test("startDetached says what cannot be started", async () => {
  await using dir = await directory();
  const command = { program: `${dir.path}/nothing`, args: [], env: {}, logFile: `${dir.path}/log` };
  const error = await assertRejects(() => startDetached(command), SynthError);
  assertEquals([error.code, error.exitCode], ["program_not_runnable", 127]);
});

Deno.test("endProcess ends the very process that was recorded, with all that it has started when it is stubborn", async () => {
  await using dir = await directory();
  const script = "trap '' TERM; sleep 600 & echo $!; wait; sleep 600";
  const logFile = `${dir.path}/log`;
  const child = await startDetached({
    program: "/bin/sh",
    args: ["-c", script],
    env: { PATH: Deno.env.get("PATH") ?? "" },
    logFile,
  });
  const signal = AbortSignal.timeout(20_000);
  let text = "";
  for await (
    const piece of followLog(logFile, { clock: systemClock, signal, from: 0, goesOn: () => !text })
  ) text += piece;
  const grandchild = Number(text);
  const identity = await systemProcesses.identify(child.pid);
  const other = { ...identity, pid_started: "another" };
  const options = { processes: systemProcesses, clock: systemClock, graceMs: 0 };
  assertEquals(await endProcess(other, options), "gone");
  assertEquals(await systemProcesses.state(identity), "running");
  assertEquals(await endProcess(identity, options), "ended");
  assertEquals((await child.exited).signal, "SIGKILL");
  const left = await systemProcesses.identify(grandchild);
  assert(["gone", "unknown"].includes(await systemProcesses.state(left)));
  assertEquals(await endProcess(identity, options), "gone");
});

Deno.test("boundLogFile cuts a long log while it is written, and keeps its end", async () => {
  await using dir = await directory();
  const path = `${dir.path}/log`;
  assertEquals(await boundLogFile(path, 10), false);
  await createLogFile(path);
  using writer = await Deno.open(path, { append: true });
  const write = (text: string) => writer.write(new TextEncoder().encode(text));
  await write("one\ntwo\n");
  assertEquals(await boundLogFile(path, 8), false);
  await write("three\n");
  assertEquals(await boundLogFile(path, 8), true);
  await write("four\n");
  assertEquals(await Deno.readTextFile(path), "four\n");
  assertEquals(await Deno.readTextFile(`${path}.1`), "one\ntwo\nthree\n");
  assertEquals(((await Deno.stat(`${path}.1`)).mode ?? 0) & 0o777, 0o600);
  assertEquals(await readLogTail(path), "four\n");
  assertEquals(await readLogTail(`${path}.1`, 8), "three\n");
  assertEquals(await readLogTail(`${path}.2`), "");
});

Deno.test("followLog gives what comes, also after a cut, and ends with its writer", async () => {
  await using dir = await directory();
  const path = `${dir.path}/log`;
  await Deno.writeTextFile(path, "old\n");
  const steps = [
    () => Deno.writeTextFile(path, "new\n", { append: true }),
    () => Deno.truncate(path, 0),
    () => Deno.writeTextFile(path, "cut\n", { append: true }),
    () => Promise.resolve(),
  ];
  const clock = { sleep: async () => await steps.shift()?.() };
  const { signal } = new AbortController();
  let text = "";
  const goesOn = () => steps.length > 0;
  for await (const piece of followLog(path, { clock, signal, from: 4, goesOn })) text += piece;
  assertEquals(text, "new\ncut\n");
});

Deno.test("startDetached holds a gated program until it is released", async () => {
  await using dir = await directory();
  const logFile = `${dir.path}/log`;
  const args = ["-c", 'read -r word; echo "it read $word"'];
  const child = await startDetached({ program: "/bin/sh", args, env: {}, logFile, gated: true });
  assertEquals(await Deno.readTextFile(logFile), "");
  child.release();
  await child.exited;
  assertEquals(await Deno.readTextFile(logFile), `it read ${RELEASE}\n`);
  const gone = await startDetached({
    program: "/bin/true",
    args: [],
    env: {},
    logFile,
    gated: true,
  });
  await gone.exited;
  gone.release();
});
