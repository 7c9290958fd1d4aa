/** What makes tunnels: the port that the life of a tunnel is written against. @module */

/** What a tunnel consists of at its provider, in the order in which it is made. */
export const PARTS = ["tunnel", "service_token", "policy", "application", "record"] as const;

/** One of them. */
export type Part = (typeof PARTS)[number];

/** The provider's ids of the parts that are known to be there. */
export type PartIds = { readonly [part in Part]: string | null };

/** A tunnel as its provider has to know it. */
export interface TunnelPlan {
  /** Ours, unguessable and used once: what is called so there was made for this tunnel. */
  readonly name: string;
  readonly hostname: string;
  /** Where requests go on the machine that runs the tunnel. */
  readonly service: string;
}

/** Access credentials. Secret. */
export interface AccessCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/**
 * A provider, for one request: every verb ends by its deadline. All throw `SynthError` with a code that begins with `tunnel_provider_`;
 * {@linkcode wasRefused} tells which of them mean that nothing was made.
 */
export interface TunnelProvider {
  /** Makes the tunnel. @returns its id */
  createTunnel(plan: TunnelPlan): Promise<string>;
  /** Sends what comes for the name to the service, and everything else nowhere. */
  configureTunnel(tunnelId: string, plan: TunnelPlan): Promise<void>;
  createServiceToken(plan: TunnelPlan): Promise<AccessCredentials & { readonly id: string }>;
  /** The rule that lets pass who has the service token. @returns its id */
  createPolicy(plan: TunnelPlan, serviceTokenId: string): Promise<string>;
  /** Lets nobody to the name but by the policy. @returns its id */
  createApplication(plan: TunnelPlan, policyId: string): Promise<string>;
  /** Points the name at the tunnel. @returns its id @throws {SynthError} `tunnel_hostname_in_use` when the zone has such a name */
  createRecord(plan: TunnelPlan, tunnelId: string): Promise<string>;
  /** What a connector needs to run the tunnel. Secret. */
  tunnelToken(tunnelId: string): Promise<string>;
  /** Makes the tunnel's token worthless and gives another. */
  rotateTunnel(tunnelId: string): Promise<string>;
  /** Makes the Access secret worthless and gives another, that holds for another year. */
  rotateServiceToken(serviceTokenId: string): Promise<AccessCredentials>;
  /** Ids of what was made for the plan, however it came to be. */
  find(part: Part, plan: TunnelPlan): Promise<string[]>;
  /** Removes a part; one that is gone is no error. */
  remove(part: Part, id: string): Promise<void>;
}
