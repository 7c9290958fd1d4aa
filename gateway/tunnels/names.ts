/** Which names and addresses a tunnel may have. @module */
import { SynthError } from "@synth/core";

const MAX_LABEL = 63;
const RANDOM_TRIES = 10;
const RANDOM_BYTES = 6;
const OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const LOOPBACK = new RegExp(`^127(?:\\.${OCTET}){3}$`);

/** First labels that people and mail servers take for the domain's own. */
const RESERVED: ReadonlySet<string> = new Set([
  "admin",
  "api",
  "app",
  "auth",
  "autoconfig",
  "autodiscover",
  "dashboard",
  "dns",
  "docs",
  "ftp",
  "imap",
  "localhost",
  "login",
  "mail",
  "mta-sts",
  "mx",
  "ns",
  "ns1",
  "ns2",
  "pop",
  "root",
  "smtp",
  "sso",
  "status",
  "support",
  "webmail",
  "wpad",
  "www",
]);

/** Which names to try for a tunnel, in order. */
export interface NameWish {
  readonly labels: readonly string[];
  /** Whether another one will do. */
  readonly any: boolean;
}

/**
 * Reads a wish, a label or the whole name under the domain: lower case, every run of what is not a letter or a digit a hyphen, none at the edges, at most 63. No wish, or the name that
 * launchers send without one being asked for (`tunnel-` and the port): that name, and random ones behind it.
 *
 * @throws {SynthError} 400 `invalid_subdomain`
 */
export function readNameWish(
  subdomain: string | null | undefined,
  port: number,
  domain: string,
): NameWish {
  const usual = `tunnel-${port}`;
  const text = (subdomain ?? usual).toLowerCase().trim();
  const label = labelOf(text.endsWith(`.${domain}`) ? text.slice(0, -domain.length - 1) : text);
  if (label === "") {
    throw new SynthError("No letter or digit is in this subdomain", {
      code: "invalid_subdomain",
      status: 400,
      param: "subdomain",
      hint: "It may have a-z, 0-9 and hyphens, at most 63",
    });
  }
  const any = label === usual;
  return { labels: any ? [label, ...randomLabels()] : [label], any };
}

/** Names that nobody asked for: `cust-` and 12 of `0-9a-f`. */
export function randomLabels(): string[] {
  return Array.from({ length: RANDOM_TRIES }, () => {
    const bytes = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
    return `cust-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  });
}

/** Whether nobody may have a label. */
export function isReserved(label: string): boolean {
  return RESERVED.has(label);
}

/**
 * The address on the machine of whoever runs the tunnel. Only its own: a tunnel is not for reaching into somebody's network.
 *
 * @throws {SynthError} 400 `invalid_local_host`
 */
export function readLocalHost(host: string | null | undefined): string {
  const text = (host ?? "127.0.0.1").toLowerCase();
  if (text === "::1" || text === "[::1]") return "::1";
  if (text === "localhost" || LOOPBACK.test(text)) return text;
  throw new SynthError("A tunnel leads to the machine itself", {
    code: "invalid_local_host",
    status: 400,
    param: "local_host",
    hint: 'Use "127.0.0.1", another address of 127.0.0.0/8, "localhost" or "::1"',
  });
}

function labelOf(text: string): string {
  const label = text.replace(/[^a-z0-9]+/g, "-").replace(/^-/, "");
  return label.slice(0, MAX_LABEL).replace(/-$/, "");
}

/** The error for a name that cannot be had. Whose it is, is told to nobody else. */
export function subdomainTaken(own?: string): SynthError {
  return new SynthError("This subdomain is taken", {
    code: "subdomain_taken",
    status: 409,
    param: "subdomain",
    hint: own === undefined
      ? "Choose another, or leave it out to get one"
      : "A tunnel of your org has it: use that, or delete it",
    ...(own === undefined ? {} : { details: { tunnel_id: own } }),
  });
}
