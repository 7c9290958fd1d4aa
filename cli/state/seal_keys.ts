/** The keys that seal reasoning: from the environment, else made on the first start and kept in the state. @module */
import { createPrivateFile } from "@synth/core/platform";
import type { Environment } from "@synth/core/config";
import { readText } from "./files.ts";

/** A list as `SYNTH_SEAL_KEYS` has it. Of processes that start at once all get the same. */
export async function ensureSealKeys(
  env: Environment,
  path: string,
  generate: () => string,
): Promise<string> {
  if (env.SYNTH_SEAL_KEYS) return env.SYNTH_SEAL_KEYS;
  const known = await readText(path);
  if (known !== null && known.trim() !== "") return known.trim();
  const made = generate();
  return await createPrivateFile(path, `${made}\n`) ? made : (await readText(path) ?? made).trim();
}
