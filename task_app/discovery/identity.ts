/** Whether two URLs name the same server. @module */

/** `localhost`, `127.0.0.0/8`, `::1`, as a URL's `hostname` has them. */
export function isLoopbackHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "").toLowerCase();
  if (host === "localhost" || host === "::1") return true;
  return /^127(?:\.[0-9]{1,3}){3}$/.test(host);
}

/** An HTTP URL without userinfo, query and fragment; `null` for anything else. */
export function parseHttpUrl(text: string): URL | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") return null;
  url.username = "";
  url.password = "";
  url.search = "";
  url.hash = "";
  return url;
}

/** The same text for every way to write a server: all loopback names and `0.0.0.0` are one host. */
export function serverIdentity(url: URL): string {
  const host = url.hostname.replace(/\.$/, "");
  const unspecified = host === "0.0.0.0" || host === "[::]";
  const name = unspecified || isLoopbackHost(host) ? "loopback" : host;
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const path = url.pathname.replace(/\/+$/, "");
  return `${url.protocol}//${name}:${port}${path}`;
}

/** A URL as it is shown and asked: no slash at the end. */
export function plainUrl(url: URL): string {
  return (url.origin + url.pathname).replace(/\/+$/, "");
}
