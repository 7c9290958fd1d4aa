/** The part of the description that is about managed tunnels. @module */
import {
  DeletedTunnelSchema,
  TunnelCredentialsSchema,
  TunnelRequestSchema,
  TunnelSchema,
} from "@synth/core/api";
import { describePaths, type JsonObject, type OperationLine, type Protect } from "./operations.ts";

/** The schemas that {@linkcode tunnelPaths} refers to. */
export const TUNNEL_SCHEMAS = {
  TunnelRequest: TunnelRequestSchema,
  Tunnel: TunnelSchema,
  TunnelCredentials: TunnelCredentialsSchema,
  DeletedTunnel: DeletedTunnelSchema,
} as const;

const S = "Needs the scope `sessions`. 501 where no tunnels are configured.";
const OWN = `${S} For who made it, and admins.`;
const TUNNELS = "/api/v1/tunnels";
const TUNNEL = `${TUNNELS}/{id}`;

const OPERATIONS: readonly OperationLine<keyof typeof TUNNEL_SCHEMAS>[] = [
  ["post", TUNNELS, {
    summary: "Make a managed tunnel",
    description: `${S} 409 when the name is taken, or the org has as many as it may have.`,
    body: "TunnelRequest",
    answer: "TunnelCredentials",
    creates: true,
    repeatable: true,
  }],
  ["get", TUNNELS, {
    summary: "List the org's managed tunnels, newest first",
    description:
      `${S} The active ones, unless \`status\` is \`provisioning\`, \`deleting\` or \`all\`. Pages go by the cursor in \`Link\`.`,
    answer: ["Tunnel"],
    query: ["status", "limit", "cursor"],
  }],
  ["get", TUNNEL, { summary: "Get a managed tunnel", description: S, answer: "Tunnel" }],
  ["delete", TUNNEL, {
    summary: "Delete a managed tunnel",
    description: `${OWN} 202 when something of it is left to be removed later.`,
    answer: "DeletedTunnel",
  }],
  ["get", `${TUNNEL}/token`, {
    summary: "Get a managed tunnel with its credentials",
    description: OWN,
    answer: "TunnelCredentials",
  }],
  ["post", `${TUNNEL}/rotate`, {
    summary: "Put other credentials in the place of a managed tunnel's",
    description: OWN,
    answer: "TunnelCredentials",
  }],
];

/** The paths. */
export function tunnelPaths(protect: Protect): JsonObject {
  return describePaths(OPERATIONS, protect);
}
