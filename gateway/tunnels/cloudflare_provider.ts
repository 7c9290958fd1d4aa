/**
 * Tunnels at Cloudflare. The requests have the types of Cloudflare's own client; its code is not used (docs/decisions/0018-cloudflare-requests.md).
 *
 * @module
 */
import type { RecordCreateParams } from "cloudflare/resources/dns/records";
import type { ApplicationCreateParams } from "cloudflare/resources/zero-trust/access/applications/applications";
import type { PolicyCreateParams } from "cloudflare/resources/zero-trust/access/policies";
import type { ServiceTokenCreateParams } from "cloudflare/resources/zero-trust/access/service-tokens";
import type {
  CloudflaredCreateParams,
  CloudflaredEditParams,
} from "cloudflare/resources/zero-trust/tunnels/cloudflared/cloudflared";
import { CloudflareApi, type CloudflareApiOptions } from "./cloudflare_api.ts";
import type { AccessCredentials, Part, TunnelPlan, TunnelProvider } from "./provider.ts";
import { garbledAnswer, wasMissing } from "./provider_error.ts";

/** Which account, as whom. */
export interface CloudflareOptions extends CloudflareApiOptions {
  readonly accountId: string;
  readonly zoneId: string;
}

/** A year: what Cloudflare proposes. */
const YEAR_HOURS = 8760;
const YEAR_MS = YEAR_HOURS * 3_600_000;
/** Policies cannot be filtered by name, so their pages are gone through. */
const MAX_PAGES = 50;
const PAGE = "100";
const ID = /^[A-Za-z0-9-]{1,64}$/;
const SECRET = /^[\x21-\x7e]{8,8192}$/;
const SECRET_BYTES = 32;

/** See {@linkcode TunnelProvider}. */
export class CloudflareProvider implements TunnelProvider {
  readonly #options: CloudflareOptions;
  readonly #api: CloudflareApi;

  constructor(options: CloudflareOptions) {
    this.#options = options;
    this.#api = new CloudflareApi(options);
  }

  async createTunnel({ name }: TunnelPlan): Promise<string> {
    const body: Body<CloudflaredCreateParams> = { name, config_src: "cloudflare" };
    return await this.#create("tunnel", body);
  }

  async configureTunnel(tunnelId: string, { hostname, service }: TunnelPlan): Promise<void> {
    // The last rule has to be one without a name.
    const ingress = [{ hostname, service }, { service: "http_status:404" }];
    const path = `${this.#at("tunnel", tunnelId)}/configurations`;
    await this.#api.call({ method: "PUT", path, body: { config: { ingress } } });
  }

  async createServiceToken(
    { name }: TunnelPlan,
  ): Promise<AccessCredentials & { readonly id: string }> {
    const body: Body<ServiceTokenCreateParams> = { name, duration: `${YEAR_HOURS}h` };
    const path = this.#at("service_token");
    const made = await this.#api.call({ method: "POST", path, body, repeatable: false });
    return { id: idOf(made), ...this.#credentials(made, made) };
  }

  async createPolicy({ name }: TunnelPlan, serviceTokenId: string): Promise<string> {
    const body: Body<PolicyCreateParams> = {
      name,
      decision: "non_identity",
      include: [{ service_token: { token_id: serviceTokenId } }],
    };
    return await this.#create("policy", body);
  }

  async createApplication({ name, hostname }: TunnelPlan, policyId: string): Promise<string> {
    const body: Body<ApplicationCreateParams.SelfHostedApplication> = {
      type: "self_hosted",
      name,
      domain: hostname,
      app_launcher_visible: false,
      // Programs call: they are told 401, and not sent to a page to sign in on.
      service_auth_401_redirect: true,
      // In the same request, so that the application never stands without its policy.
      policies: [{ id: policyId, precedence: 1 }],
    };
    return await this.#create("application", body);
  }

  async createRecord({ name, hostname }: TunnelPlan, tunnelId: string): Promise<string> {
    const body: Body<RecordCreateParams.CNAMERecord> = {
      type: "CNAME",
      name: hostname,
      content: `${tunnelId}.cfargotunnel.com`,
      proxied: true,
      ttl: 1,
      comment: name,
    };
    return await this.#create("record", body);
  }

  async tunnelToken(tunnelId: string): Promise<string> {
    const path = `${this.#at("tunnel", tunnelId)}/token`;
    return secretOf(await this.#api.call({ method: "GET", path }));
  }

  async rotateTunnel(tunnelId: string): Promise<string> {
    const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
    const body: Body<CloudflaredEditParams> = {
      tunnel_secret: btoa(String.fromCharCode(...bytes)),
    };
    await this.#api.call({ method: "PATCH", path: this.#at("tunnel", tunnelId), body });
    return await this.tunnelToken(tunnelId);
  }

  async rotateServiceToken(serviceTokenId: string): Promise<AccessCredentials> {
    const path = this.#at("service_token", serviceTokenId);
    const made = await this.#api.call({ method: "POST", path: `${path}/rotate`, body: {} });
    const kept = await this.#api.call({ method: "POST", path: `${path}/refresh` });
    return this.#credentials(made, kept);
  }

  async find(part: Part, plan: TunnelPlan): Promise<string[]> {
    let before = "";
    for (let page = 1; page <= MAX_PAGES; page++) {
      const query = { ...filterOf(part, plan), page: String(page), per_page: PAGE };
      const found = await this.#api.call({ method: "GET", path: this.#at(part), query });
      if (!Array.isArray(found)) throw garbledAnswer();
      const first = found.length === 0 ? "" : idOf(found[0]);
      // Some of the lists are not cut into pages, and give everything for every page.
      if (first === before) return [];
      const ids = found.filter((one) => isOf(part, one, plan)).map(idOf);
      if (ids.length > 0) return ids;
      before = first;
    }
    throw garbledAnswer();
  }

  async remove(part: Part, id: string): Promise<void> {
    const path = this.#at(part, id);
    // One that is still connected cannot be removed.
    if (part === "tunnel") await this.#delete(`${path}/connections`);
    await this.#delete(path);
  }

  async #create(part: Part, body: object): Promise<string> {
    const path = this.#at(part);
    return idOf(await this.#api.call({ method: "POST", path, body, repeatable: false }));
  }

  async #delete(path: string): Promise<void> {
    try {
      await this.#api.call({ method: "DELETE", path });
    } catch (error) {
      if (!wasMissing(error)) throw error;
    }
  }

  #at(part: Part, id?: string): string {
    const { accountId, zoneId } = this.#options;
    const path = part === "record"
      ? `/zones/${zoneId}/dns_records`
      : `/accounts/${accountId}/${COLLECTIONS[part]}`;
    return id === undefined ? path : `${path}/${id}`;
  }

  #credentials(secrets: unknown, terms: unknown): AccessCredentials {
    const { client_id, client_secret } = membersOf(secrets);
    const { expires_at } = membersOf(terms);
    const at = typeof expires_at === "string" ? Date.parse(expires_at) : NaN;
    return {
      clientId: secretOf(client_id),
      clientSecret: secretOf(client_secret),
      expiresAt: Number.isFinite(at) ? at : this.#options.budget.clock.now() + YEAR_MS,
    };
  }
}

/** What goes into the body: what the path names is left out. */
type Body<T> = Omit<T, "account_id" | "zone_id">;

const COLLECTIONS: Readonly<Record<Exclude<Part, "record">, string>> = {
  tunnel: "cfd_tunnel",
  service_token: "access/service_tokens",
  policy: "access/policies",
  application: "access/apps",
};

function filterOf(part: Part, { name, hostname }: TunnelPlan): Record<string, string> {
  if (part === "record") return { "name.exact": hostname, type: "CNAME" };
  if (part === "tunnel") return { name, is_deleted: "false" };
  if (part === "application") return { name, exact: "true" };
  return part === "service_token" ? { name } : {};
}

/** A filter that is not honoured must not make us take somebody else's part for ours. */
function isOf(part: Part, found: unknown, plan: TunnelPlan): boolean {
  const { name, comment, deleted_at } = membersOf(found);
  if (part === "record") return name === plan.hostname && comment === plan.name;
  return name === plan.name && (deleted_at === undefined || deleted_at === null);
}

function idOf(made: unknown): string {
  const { id } = membersOf(made);
  if (typeof id === "string" && ID.test(id)) return id;
  throw garbledAnswer();
}

function secretOf(value: unknown): string {
  if (typeof value === "string" && SECRET.test(value)) return value;
  throw garbledAnswer();
}

function membersOf(value: unknown): { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
