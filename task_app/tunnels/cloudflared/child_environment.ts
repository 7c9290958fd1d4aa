/** What of our environment a `cloudflared` gets. @module */

/** Where it finds its home, the network and certificates, and the switches of its own that say how it connects. No key of ours is among them. */
const PASSED = [
  "PATH",
  "HOME",
  "USER",
  "LANG",
  "LC_ALL",
  "TZ",
  "TMPDIR",
  "TEMP",
  "TMP",
  "SystemRoot",
  "USERPROFILE",
  "LOCALAPPDATA",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "ALL_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "all_proxy",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "GODEBUG",
  "TUNNEL_TRANSPORT_PROTOCOL",
  "TUNNEL_EDGE",
  "TUNNEL_EDGE_IP_VERSION",
  "TUNNEL_EDGE_BIND_ADDRESS",
  "TUNNEL_REGION",
  "TUNNEL_POST_QUANTUM",
  "TUNNEL_LOGLEVEL",
];

/** The whole environment of the child. @param secrets what it needs beside, such as `TUNNEL_TOKEN` */
export function childEnvironment(
  env: (name: string) => string | undefined,
  secrets: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const passed = PASSED.flatMap((name): [string, string][] => {
    const value = env(name);
    return value === undefined ? [] : [[name, value]];
  });
  return { ...Object.fromEntries(passed), ...secrets };
}
