/** Whether a request comes from this machine, and from nobody behind a proxy on it. @module */

/** What proxies add. */
const FORWARDED = [
  "forwarded",
  "via",
  "x-real-ip",
  "x-client-ip",
  "x-cluster-client-ip",
  "true-client-ip",
  "cf-connecting-ip",
  "cf-ray",
  "fly-client-ip",
  "fastly-client-ip",
  "x-original-host",
  "x-original-url",
];
const LOCAL_NAMES = new Set(["localhost", "127.0.0.1", "[::1]"]);

/**
 * True for a socket from a loopback address without a header that a proxy adds, to a name of this machine (a page that has its own name
 * point here is another site), and not from a page of another site.
 *
 * @param peer address of the other end of the socket; `null`: not known
 */
export function isLocalCaller(request: Request, peer: string | null): boolean {
  if (peer === null || !isLoopback(peer)) return false;
  const { headers } = request;
  if (FORWARDED.some((name) => headers.has(name)) || headers.has("origin")) return false;
  for (const name of headers.keys()) if (name.startsWith("x-forwarded-")) return false;
  const site = headers.get("sec-fetch-site");
  if (site !== null && site !== "none" && site !== "same-origin") return false;
  return URL.canParse(request.url) && LOCAL_NAMES.has(new URL(request.url).hostname);
}

function isLoopback(address: string): boolean {
  const plain = address.startsWith("::ffff:") ? address.slice("::ffff:".length) : address;
  return plain === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(plain);
}
