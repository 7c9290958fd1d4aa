/** Open ports of this machine. @module */
import { EXIT, SynthError } from "@synth/core";
import { eachLimited } from "./each_limited.ts";

/** Ports from the first to the last, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** A port that takes connections. */
export interface OpenPort {
  readonly port: number;
  readonly url: string;
}

/** Both families: some development servers listen on `::1` alone. */
const HOSTS = [{ host: "127.0.0.1", name: "localhost" }, { host: "::1", name: "[::1]" }];
const CONNECTIONS_AT_ONCE = 128;

/**
 * Reads `8000:8100`, or a single port.
 *
 * @throws {SynthError} `invalid_port_range`
 */
export function parsePortRange(text: string): PortRange {
  const [start = "", end = start, ...rest] = text.split(":").map((part) => part.trim());
  if (rest.length > 0 || !/^[0-9]{1,9}$/.test(start) || !/^[0-9]{1,9}$/.test(end)) {
    throw new SynthError("Invalid port range format", {
      code: "invalid_port_range",
      exitCode: EXIT.usage,
      hint: "Write START:END, such as 8000:8100, or one port",
    });
  }
  const [first, last] = [Number(start), Number(end)];
  if (first < 1 || last > 65_535 || first > last) {
    throw new SynthError(`Invalid port range ${first}:${last}`, {
      code: "invalid_port_range",
      exitCode: EXIT.usage,
      hint: "Ports are 1 to 65535, and the first is not behind the last",
    });
  }
  return { first, last };
}

/**
 * The ports that take connections on loopback, in order.
 *
 * @param connect whether something accepts a connection there
 */
export async function findOpenPorts(
  { first, last }: PortRange,
  connect: (host: string, port: number) => Promise<boolean>,
  signal: AbortSignal,
): Promise<OpenPort[]> {
  const ports = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const found = await eachLimited(ports, CONNECTIONS_AT_ONCE, signal, async (port) => {
    for (const { host, name } of HOSTS) {
      if (await connect(host, port)) return { port, url: `http://${name}:${port}` };
    }
    return null;
  });
  return found.filter((port) => port !== null && port !== undefined);
}
