import { assert, assertEquals, assertRejects } from "@std/assert";
import { runProgram } from "./run_program.ts";

Deno.test({
  name: "runProgram waits for nothing that a killed program has left running",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    let said = "";
    // The sleep holds both outputs open, and neither heeds SIGINT.
    const running = runProgram({
      program: "/bin/sh",
      args: ["-c", "trap '' INT; sleep 1000 & echo $!; wait"],
      env: { PATH: "/usr/bin:/bin" },
      cwd: "/",
      signal: stop.signal,
      graceMs: 20,
      print: (text, stream) => {
        assertEquals(stream, "stdout");
        said += text;
        if (said.includes("\n")) stop.abort(reason);
      },
    });
    const error = await assertRejects(() => running);
    assertEquals(error, reason);
    const left = Number(said);
    assert(left > 1);
    Deno.kill(left, "SIGKILL");
  },
});

Deno.test({
  name: "runProgram tells the streams apart, gives what both said, and the code",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const printed = new Map<string, string>();
    const { code, stdout, stderr } = await runProgram({
      program: "/bin/sh",
      args: ["-c", "read line; echo out $line; echo err >&2; exit 3"],
      env: { PATH: "/usr/bin:/bin" },
      cwd: "/",
      stdin: "given\n",
      signal: new AbortController().signal,
      print: (text, stream) => printed.set(stream, (printed.get(stream) ?? "") + text),
    });
    assertEquals([code, stdout, stderr], [3, "out given\n", "err\n"]);
    assertEquals(Object.fromEntries(printed), { stdout, stderr });
  },
});
