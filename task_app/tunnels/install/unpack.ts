/** Takes the program out of what was downloaded. @module */
import { gunzipSync } from "node:zlib";
import { parseTar } from "nanotar";
import { SynthError } from "@synth/core";

/** Bytes of an unpacked archive, at most. */
const MAX_UNPACKED = 256 * 1024 * 1024;

/**
 * The program's bytes: of the one file of its name in a `.tgz`, wherever it lies there, else all of them. No path of an archive is ever used to
 * write.
 *
 * @throws {SynthError} `install_archive_invalid`
 */
export function unpack(bytes: Uint8Array, programName: string): Uint8Array {
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) throw invalid("it is a .zip");
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  let plain: Uint8Array<ArrayBuffer>;
  try {
    // A copy with a buffer of its own: the reader looks at the whole buffer.
    plain = new Uint8Array(gunzipSync(bytes, { maxOutputLength: MAX_UNPACKED }));
  } catch {
    throw invalid("it is no gzip file, or too large");
  }
  // Only compressed, as some releases are.
  if (!isTar(plain)) return plain;
  let found: Uint8Array[];
  try {
    found = parseTar(plain).filter(({ name, type }) =>
      type === "file" && name.split("/").at(-1) === programName
    ).map(({ data }) => data ?? new Uint8Array());
  } catch {
    throw invalid("its archive is damaged");
  }
  const [program] = found;
  if (program !== undefined && found.length === 1 && program.length > 0) return program;
  throw invalid(`it has ${found.length} files ${programName}`);
}

function isTar(bytes: Uint8Array): boolean {
  return bytes.length >= 512 && new TextDecoder().decode(bytes.subarray(257, 262)) === "ustar";
}

function invalid(why: string): SynthError {
  return new SynthError(`The download cannot be used: ${why}`, {
    code: "install_archive_invalid",
    hint: "Give the program itself, or the .tgz that its makers publish",
  });
}
