/** Gets `redis-server` from Debian's packages where tests may do so. @module */
import { ensureProgram } from "./apt_install.ts";

/**
 * Installs the package, once for all test processes that want it at the same time.
 *
 * @throws when nobody allowed it (`CI=true` or `SYNTH_TEST_INSTALL=1`), or apt-get fails
 */
export async function installRedis(): Promise<void> {
  await ensureProgram("redis-server");
}
