import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SynthError } from "@synth/core";
import * as fc from "fast-check";
import {
  maskSecret,
  parseEnvFile,
  readEnvFile,
  removeEnvVariable,
  setEnvVariable,
  writeEnvVariable,
} from "./env_file.ts";

Deno.test("parseEnvFile reads what env files hold", () => {
  const text = [
    "# a comment",
    "",
    "PLAIN=value",
    "  export INDENTED = spaced  # behind it",
    'QUOTED="a # b"   # comment',
    "SINGLE='$HOME \\n'",
    'ESCAPED="a\\nb \\"c\\" \\\\ \\u0041"',
    "HASH=a#b",
    "EMPTY=",
    "ONLY_COMMENT= # nothing",
    'MULTI="one',
    'two"',
    "not an assignment",
    "1BAD=x",
    'OPEN="never closed',
    "TWICE=1",
    "TWICE=2\r",
  ].join("\n");
  assertEquals(Object.fromEntries(parseEnvFile(text)), {
    PLAIN: "value",
    INDENTED: "spaced",
    QUOTED: "a # b",
    SINGLE: "$HOME \\n",
    ESCAPED: 'a\nb "c" \\ A',
    HASH: "a#b",
    EMPTY: "",
    ONLY_COMMENT: "",
    MULTI: "one\ntwo",
    OPEN: '"never closed',
    TWICE: "2",
  });
});

Deno.test("setEnvVariable replaces a value and keeps indentation, export, comments and line ends", () => {
  const text = "A=1\r\n  export KEY = 'old value' # why\r\nB=2\r\n";
  assertEquals(
    setEnvVariable(text, "KEY", "new"),
    "A=1\r\n  export KEY = new # why\r\nB=2\r\n",
  );
});

Deno.test("setEnvVariable leaves a variable of a longer name, and text inside quotes, alone", () => {
  const text = 'MY_KEY=1\nNOTE="x\nKEY=inside"\n#KEY=2\n';
  assertEquals(setEnvVariable(text, "KEY", "3"), `${text}KEY=3\n`);
});

Deno.test("setEnvVariable adds a line, and the line end that was missing", () => {
  assertEquals(setEnvVariable("A=1", "B", "2"), "A=1\nB=2\n");
  assertEquals(setEnvVariable("A=1\r\nC=3", "B", "2"), "A=1\r\nC=3\r\nB=2\r\n");
  assertEquals(setEnvVariable("", "B", "2"), "B=2\n");
});

Deno.test("setEnvVariable quotes what needs quotes", () => {
  const cases: [string, string][] = [
    ["https://a.b/c:1@x+y=", "https://a.b/c:1@x+y="],
    ["", '""'],
    ["two words", '"two words"'],
    ['say "hi"', '"say \\"hi\\""'],
    ["a\nb", '"a\\nb"'],
    ["$HOME", "'$HOME'"],
    ["it's $5", '"it\'s $5"'],
  ];
  for (const [value, written] of cases) {
    assertEquals(setEnvVariable("", "K", value), `K=${written}\n`);
  }
});

Deno.test("setEnvVariable writes every assignment, so that the last one counts nowhere", () => {
  assertEquals(setEnvVariable("K=1\nK=2\n", "K", "3"), "K=3\nK=3\n");
});

Deno.test("setEnvVariable refuses names and values that no environment takes", () => {
  for (const name of ["", "1A", "A B", "A-B", "A\nB", "A=B"]) {
    assertEquals(
      assertThrows(() => setEnvVariable("", name, "x"), SynthError).code,
      "env_name_invalid",
    );
  }
  assertThrows(() => setEnvVariable("", "A", "x\0"), SynthError);
});

Deno.test("parseEnvFile reads back what setEnvVariable wrote into any text", () => {
  const text = fc.array(
    fc.constantFrom("A=1", "K=x", " export K = 'q' # c", "#K=", "", 'M="a', "'"),
  )
    .map((lines) => lines.join("\n"));
  const value = fc.string({ unit: "grapheme" }).filter((one) => !one.includes("\0"));
  fc.assert(fc.property(text, value, (before, wanted) => {
    const after = setEnvVariable(before, "K", wanted);
    assertEquals(parseEnvFile(after).get("K"), wanted);
    const others = new Map(parseEnvFile(before));
    others.delete("K");
    for (const [name, old] of others) assertEquals(parseEnvFile(after).get(name), old);
  }));
});

Deno.test("setEnvVariable sets a value that an open quote above would swallow, and changes no other", () => {
  for (const before of ['M="a', 'M="a\nK=x', "N='b\nM=\"a", 'K=1\nM="a\nK=2\nZ=3\n']) {
    for (const wanted of ["#", " #", "' #", '" #', "a\nb #", "$x #"]) {
      const expected = parseEnvFile(before).set("K", wanted);
      const after = parseEnvFile(setEnvVariable(before, "K", wanted));
      assertEquals(new Map([...after].sort()), new Map([...expected].sort()), before + wanted);
    }
  }
});

Deno.test("parseEnvFile takes linear time on quotes that do not close", () => {
  const text = `A="${'x" y\nB="'.repeat(20_000)}`;
  assertEquals(parseEnvFile(text).size > 0, true);
});

Deno.test("writeEnvVariable makes a private file and the directories above it", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const path = `${dir}/deep/er/.env`;
    await writeEnvVariable(path, "TASK_APP_URL", "https://a.trycloudflare.com");
    assertEquals(
      await Deno.readTextFile(path),
      "TASK_APP_URL=https://a.trycloudflare.com\n",
    );
    if (Deno.build.os !== "windows") assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
    await writeEnvVariable(path, "B", "2");
    assertEquals(Object.fromEntries(await readEnvFile(path)), {
      TASK_APP_URL: "https://a.trycloudflare.com",
      B: "2",
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test({
  name: "writeEnvVariable keeps the mode of a file, and a link a link",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const dir = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${dir}/real.env`, "A=1\n", { mode: 0o640 });
      await Deno.symlink(`${dir}/real.env`, `${dir}/.env`);
      await writeEnvVariable(`${dir}/.env`, "A", "2");
      assertEquals((await Deno.lstat(`${dir}/.env`)).isSymlink, true);
      assertEquals(await Deno.readTextFile(`${dir}/real.env`), "A=2\n");
      assertEquals((await Deno.stat(`${dir}/real.env`)).mode! & 0o777, 0o640);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

Deno.test({
  name: "writeEnvVariable follows no link that leads nowhere, or to a file of somebody else",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const dir = await Deno.makeTempDir();
    try {
      await Deno.symlink(`${dir}/missing.env`, `${dir}/dangling`);
      let theirs = "/etc/hosts";
      if (Deno.uid() === 0) {
        theirs = `${dir}/theirs.env`;
        await Deno.writeTextFile(theirs, "A=1\n", { mode: 0o644 });
        await Deno.chown(theirs, 65_534, null);
      }
      const before = await Deno.stat(theirs);
      await Deno.symlink(theirs, `${dir}/foreign`);
      for (const name of ["dangling", "foreign"]) {
        const error = await assertRejects(
          () => writeEnvVariable(`${dir}/${name}`, "B", "2"),
          SynthError,
        );
        assertEquals(error.code, "env_file_unwritable");
        assert(error.hint !== undefined && error.message.includes(name), error.message);
        assertEquals((await Deno.lstat(`${dir}/${name}`)).isSymlink, true);
      }
      const { uid, ino, size, mode } = await Deno.stat(theirs);
      assertEquals([uid, ino, size, mode], [before.uid, before.ino, before.size, before.mode]);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

Deno.test("removeEnvVariable takes every line of a variable, and nothing else", () => {
  const text = '# c\nexport A="x\ny" # c\nB=1\n  A=2\nC=3';
  assertEquals(removeEnvVariable(text, "A"), "# c\nB=1\nC=3");
  assertEquals(removeEnvVariable(text, "D"), text);
  assertEquals(removeEnvVariable("B=1\nA=2", "A"), "B=1\n");
});

Deno.test("removeEnvVariable changes no other variable, whatever the text holds", () => {
  const line = fc.oneof(
    fc.constantFrom(
      "A=1",
      "B='x",
      'B="',
      "export A='y'",
      "'",
      '"',
      "# A=1",
      "C=2 # '",
      'A="z\nB=2"',
    ),
    fc.string({ maxLength: 12 }),
  );
  fc.assert(fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
    const text = lines.join("\n");
    const wanted = parseEnvFile(text);
    wanted.delete("A");
    let changed: string;
    try {
      changed = removeEnvVariable(text, "A");
    } catch (error) {
      assertEquals(error instanceof SynthError && error.code, "env_file_broken");
      return;
    }
    assertEquals(parseEnvFile(changed), wanted);
  }));
});

Deno.test("readEnvFile says that a file is missing, or is none", async () => {
  const missing = await assertRejects(() => readEnvFile("does/not/exist.env"), SynthError);
  assertEquals([missing.code, missing.exitCode], ["env_file_not_found", 3]);
  const dir = await Deno.makeTempDir();
  assertEquals(
    (await assertRejects(() => readEnvFile(dir), SynthError)).code,
    "env_file_unreadable",
  );
  await Deno.remove(dir);
});

Deno.test("maskSecret shows three characters of each end, and nothing of what is short", () => {
  assertEquals(maskSecret("sk_env_0123456789abcdef"), "sk_...def");
  assertEquals(maskSecret("0123456789abcde"), "***");
  assertEquals(maskSecret(""), "***");
});
