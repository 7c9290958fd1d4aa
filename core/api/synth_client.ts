import * as z from "zod";
import { ApiCaller, type PageQuery, type SynthClientOptions } from "./api_caller.ts";
import { type Health, HealthSchema } from "./health_schema.ts";
import { KeysClient } from "./keys_client.ts";
import { type ModelList, ModelListSchema, type ModelObject, ModelSchema } from "./model_schema.ts";
import { RegistryClient } from "./registry_client.ts";
import { SessionsClient } from "./sessions_client.ts";
import { TunnelsClient } from "./tunnels_client.ts";
import {
  type Me,
  MeSchema,
  type Pricing,
  PricingSchema,
  type UsageGroup,
  UsageGroupSchema,
  type UsageRecord,
  UsageRecordSchema,
} from "./usage.ts";

/** Which usage to look at. */
export interface UsageFilter {
  readonly session_id?: string;
  /** ISO 8601, from this moment on. */
  readonly from?: string;
  /** ISO 8601, before this moment. */
  readonly to?: string;
}

const Records = z.array(UsageRecordSchema);
const Groups = z.array(UsageGroupSchema);

/**
 * Asks a gateway about itself. For inference use an OpenAI client with this base URL and `/v1`.
 *
 * ```ts ignore
 * const client = new SynthClient({ baseUrl: "http://127.0.0.1:8787", apiKey });
 * const { data } = await client.models();
 * const session = await client.sessions.create({
 *   limits: [{ limit_type: "hard", metric_type: "cost_usd", limit_value: "2.50" }],
 * });
 * ```
 */
export class SynthClient {
  /** Sessions: budgets, usage, leases. */
  readonly sessions: SessionsClient;
  /** Keys, and the limits of keys and of the org. */
  readonly keys: KeysClient;
  /** Task apps that announced themselves. */
  readonly registry: RegistryClient;
  /** Managed tunnels. */
  readonly tunnels: TunnelsClient;
  readonly #api: ApiCaller;

  constructor(options: SynthClientOptions) {
    this.#api = new ApiCaller(options);
    this.sessions = new SessionsClient(this.#api);
    this.keys = new KeysClient(this.#api);
    this.registry = new RegistryClient(this.#api);
    this.tunnels = new TunnelsClient(this.#api);
  }

  /** Whether the gateway and its store work. A degraded gateway answers too. */
  async health(): Promise<Health> {
    return await this.#api.call("GET", "/health", HealthSchema, { accepted: [503] });
  }

  /** The models that can be asked for. */
  async models(): Promise<ModelList> {
    return await this.#api.call("GET", "/v1/models", ModelListSchema);
  }

  /** One model, also by a name that only a pattern matches. @throws {SynthError} 404 `model_not_found` */
  async model(id: string): Promise<ModelObject> {
    return await this.#api.call("GET", `/v1/models/${encodeURIComponent(id)}`, ModelSchema);
  }

  /** Makes the gateway read its configuration again. Needs the scope `admin`. */
  async reload(): Promise<void> {
    await this.#api.call("POST", "/admin/reload", null);
  }

  /** Who the key speaks for, what it may, what it used. */
  async me(): Promise<Me> {
    return await this.#api.call("GET", "/api/v1/me", MeSchema);
  }

  /** What models cost. */
  async pricing(): Promise<Pricing> {
    return await this.#api.call("GET", "/api/v1/pricing", PricingSchema);
  }

  /** The usage of the org, newest first. Needs the scope `sessions`. */
  async usage(query: UsageFilter & PageQuery = {}): Promise<UsageRecord[]> {
    return await this.#api.call("GET", "/api/v1/usage", Records, { query: { ...query } });
  }

  /** The usage of the org summed up; of the last 30 days unless `from` says otherwise. Needs the scope `sessions`. */
  async usageBy(
    group: "model" | "day" | "user" | "key",
    query: UsageFilter = {},
  ): Promise<UsageGroup[]> {
    return await this.#api.call("GET", "/api/v1/usage", Groups, {
      query: { ...query, group_by: group },
    });
  }
}
