/** Gets programs from Debian's packages where tests may do so. @module */
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Installs a package whose program is missing, once for all test processes that want it at the same time.
 *
 * @param version argument with which the program tells its version
 * @throws when nobody allowed it (`CI=true` or `SYNTH_TEST_INSTALL=1`), or apt-get fails
 */
export async function ensureProgram(program: string, version = "--version"): Promise<void> {
  if (await isInstalled(program, version)) return;
  if (Deno.env.get("SYNTH_TEST_INSTALL") !== "1" && Deno.env.get("CI") !== "true") {
    throw new Error(
      `These tests need ${program}: run "apt-get install ${program}", or set SYNTH_TEST_INSTALL=1 to let them do it`,
    );
  }
  using lock = await Deno.open(join(tmpdir(), `synth-test-install-${Deno.uid()}.lock`), {
    create: true,
    write: true,
    mode: 0o600,
  });
  await lock.lock(true);
  if (await isInstalled(program, version)) return;
  await aptGet("update", "-q");
  await aptGet("install", "-q", "-y", "--no-install-recommends", program);
  if (!await isInstalled(program, version)) {
    throw new Error(`${program} is installed but not on the PATH`);
  }
}

async function isInstalled(program: string, version: string): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, { args: [version] }).output();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function aptGet(...args: string[]): Promise<void> {
  const command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", ...args];
  if (Deno.uid() !== 0) command.unshift("sudo", "-n");
  const [program = "", ...rest] = command;
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: rest,
    stdin: "null",
  }).output();
  if (success) return;
  const decoder = new TextDecoder();
  const said = `${decoder.decode(stdout)}${decoder.decode(stderr)}`.slice(-2000);
  throw new Error(`"${command.join(" ")}" failed:\n${said}`);
}
