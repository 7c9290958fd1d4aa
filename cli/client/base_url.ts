/** Which gateway a command calls. @module */
import { EXIT, SynthError } from "@synth/core";
import type { SynthConfig } from "@synth/core/config";
import type { CliContext } from "../context.ts";
import { readGateway } from "../state/gateway_record.ts";
import type { Paths } from "../state/paths.ts";

/** A gateway's root, and what named it. */
export interface BaseUrl {
  /** Without a slash at the end. */
  readonly url: string;
  /** For messages: `--base-url`, `BACKEND_BASE_URL`, `[client] base_url`, or the file of the running gateway. */
  readonly source: string;
}

/** What clients of the original and of OpenAI put behind the root. */
const API_PATH = /\/(?:api\/synth-research\/v1|api\/synth-research|api\/v1|api|v1)$/;

/**
 * Flag > `BACKEND_BASE_URL` > `[client] base_url` > the gateway that runs on this machine.
 *
 * @throws {SynthError} `invalid_base_url` (exit code 2), `no_gateway` (69)
 */
export async function findBaseUrl(
  context: Pick<CliContext, "env">,
  paths: Paths,
  config: SynthConfig,
  flag: { readonly name: string; readonly value: string | undefined },
): Promise<BaseUrl> {
  if (flag.value !== undefined) return checked(flag.value, flag.name);
  const { BACKEND_BASE_URL: backend } = context.env;
  if (backend) return checked(backend, "BACKEND_BASE_URL");
  if (config.client.base_url !== null) return checked(config.client.base_url, "[client] base_url");
  const record = await readGateway(paths.gateway);
  if (record !== null) return checked(record.url, paths.gateway);
  throw new SynthError("No gateway runs on this machine, and none is named", {
    code: "no_gateway",
    exitCode: EXIT.unavailable,
    hint: "Start one with synth up, or name one with --base-url or BACKEND_BASE_URL",
  });
}

function checked(text: string, source: string): BaseUrl {
  const url = URL.canParse(text) ? new URL(text) : null;
  const usable = url !== null && /^https?:$/.test(url.protocol) && url.username === "" &&
    url.password === "" && url.search === "" && url.hash === "";
  if (!usable) {
    throw new SynthError(`${source} is not the address of a gateway`, {
      code: "invalid_base_url",
      exitCode: EXIT.usage,
      hint: "Write http://HOST:PORT or https://HOST, without a user, query or fragment",
    });
  }
  const root = (url.origin + url.pathname).replace(/\/+$/, "").replace(API_PATH, "");
  if (root !== url.origin) {
    throw new SynthError(`${source} has a path that is not the gateway's: ${url.pathname}`, {
      code: "invalid_base_url",
      exitCode: EXIT.usage,
      hint: `The gateway's own address is enough: ${url.origin}`,
    });
  }
  return { url: root, source };
}
