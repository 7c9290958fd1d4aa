import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";

/** Stands for apt-get: notes what it was asked and "installs" a server that can only say its version. */
const APT_GET = `#!/bin/sh
echo "$1 \${DEBIAN_FRONTEND:-}" >> "$LOG"
if [ "$1" = install ]; then
  printf '#!/bin/sh\\necho fake\\n' > "$BIN/redis-server.new"
  /bin/chmod 755 "$BIN/redis-server.new"
  /bin/mv "$BIN/redis-server.new" "$BIN/redis-server"
fi
`;
const SUDO = `#!/bin/sh
shift
exec "$@"
`;

async function inFakeSystem(
  test: (
    install: (env: Record<string, string>) => Promise<Deno.CommandOutput>,
    log: string,
  ) => Promise<void>,
): Promise<void> {
  const bin = await Deno.makeTempDir();
  const log = join(bin, "log");
  await Deno.writeTextFile(join(bin, "apt-get"), APT_GET, { mode: 0o755 });
  await Deno.writeTextFile(join(bin, "sudo"), SUDO, { mode: 0o755 });
  await Deno.symlink("/usr/bin/env", join(bin, "env"));
  const script = new URL("./redis_install.ts", import.meta.url).href;
  const code = `import { installRedis } from ${JSON.stringify(script)}; await installRedis();`;
  try {
    await test((env) =>
      new Deno.Command(Deno.execPath(), {
        args: ["eval", "--no-config", code],
        env: { PATH: bin, BIN: bin, LOG: log, TMPDIR: bin, CI: "", SYNTH_TEST_INSTALL: "", ...env },
      }).output(), log);
  } finally {
    await Deno.remove(bin, { recursive: true });
  }
}

Deno.test("installRedis installs once for processes that ask at the same time", () =>
  inFakeSystem(async (install, log) => {
    const outputs = await Promise.all([
      install({ CI: "true" }),
      install({ SYNTH_TEST_INSTALL: "1" }),
      install({ CI: "true" }),
    ]);
    for (const { success, stderr } of outputs) assert(success, new TextDecoder().decode(stderr));
    assertEquals(await Deno.readTextFile(log), "update noninteractive\ninstall noninteractive\n");
  }));

Deno.test("installRedis says what to install where nobody allowed it", () =>
  inFakeSystem(async (install) => {
    const { success, stderr } = await install({});
    assert(!success);
    assertStringIncludes(new TextDecoder().decode(stderr), "apt-get install redis-server");
  }));
