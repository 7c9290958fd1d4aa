/** What Cloudflare's edge makes of what its API was told: joins the double of the one to that of the other. @module */
import type { EdgeTunnel } from "../../task_app/tunnels/testing/edge_double.ts";
import type { CloudflareDouble } from "./cloudflare_double.ts";
import type { Rec } from "./response_shape.ts";

/**
 * The tunnel of a connector's token: there when the token is the newest, a name points at the tunnel, its ingress leads somewhere, and an Access
 * application with a policy for a service token stands in front of it. Whatever is missing of these, nobody gets in.
 */
export function edgeTunnelOf({ state }: CloudflareDouble, token: string): EdgeTunnel | undefined {
  const { t: id, s: secret } = JSON.parse(atob(token)) as { t: string; s: string };
  const tunnel = state["cfd_tunnel"].get(id);
  if (tunnel === undefined || secret !== (tunnel["tunnel_secret"] ?? "first")) return undefined;
  const content = `${id}.cfargotunnel.com`;
  const record = [...state.record.values()].find((one) => one["content"] === content);
  const { ingress = [] } = (tunnel["config"] ?? {}) as { ingress?: Rec[] };
  const hostname = String(record?.["name"]);
  const rule = ingress.find((one) => one["hostname"] === hostname);
  const app = [...state["access/apps"].values()].find((one) => one["domain"] === hostname);
  const [linked] = (app?.["policies"] ?? []) as Rec[];
  const policy = state["access/policies"].get(String(linked?.["id"]));
  const [included] = (policy?.["include"] ?? []) as { service_token?: { token_id?: string } }[];
  const pass = state["access/service_tokens"].get(included?.service_token?.token_id ?? "");
  if (rule === undefined || pass === undefined) return undefined;
  return {
    hostname,
    origin: String(rule["service"]),
    access: { id: String(pass["client_id"]), secret: String(pass["client_secret"]) },
  };
}
