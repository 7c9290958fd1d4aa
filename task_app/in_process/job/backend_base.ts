/** Which backend runs the jobs. @module */
import { EXIT, SynthError } from "@synth/core";

/** Names in the environment, the first that is set counts. */
const NAMES = [
  "TARGET_BACKEND_BASE_URL",
  "BACKEND_OVERRIDE",
  "SYNTH_BACKEND_URL",
  "BACKEND_BASE_URL",
  "NEXT_PUBLIC_API_URL",
];
/** Never a machine of someone else: a key is sent there. */
const DEFAULT = "http://127.0.0.1:8787";

/**
 * The argument, else `TARGET_BACKEND_BASE_URL`, `BACKEND_OVERRIDE`, `SYNTH_BACKEND_URL`, `BACKEND_BASE_URL`, `NEXT_PUBLIC_API_URL`, else the gateway
 * on this machine. It ends in `/api`, whether it was given so or not.
 *
 * @throws {SynthError} `invalid_backend_url`, exit code 2
 */
export function resolveBackendBase(
  given: string | undefined,
  env: (name: string) => string | undefined,
): string {
  const found = [given, ...NAMES.map(env)].find((text) => text?.trim()) ?? DEFAULT;
  const url = URL.parse(found.trim());
  const http = url?.protocol === "https:" || url?.protocol === "http:";
  if (url === null || !http || url.username !== "" || url.password !== "") {
    throw new SynthError("The URL of the backend is not valid", {
      code: "invalid_backend_url",
      status: 400,
      exitCode: EXIT.usage,
      hint: `Write https://host, without a user; it is read from an argument or ${
        NAMES.join(", ")
      }`,
    });
  }
  const path = url.pathname.split("/").filter((part) => part !== "");
  if (path.at(-1) === "api") path.pop();
  return [url.origin, ...path, "api"].join("/");
}
