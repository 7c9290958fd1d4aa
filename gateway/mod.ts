/**
 * The gateway: speaks the Responses API to agents, Chat Completions to models, and is a function from `Request` to `Response`.
 *
 * ```ts ignore
 * import { createGateway } from "@synth/gateway";
 * import { serveGateway, undiciTransport } from "@synth/gateway/deno";
 *
 * const gateway = await createGateway({ config, authenticator, secrets, transport: undiciTransport() });
 * const server = serveGateway(gateway, { hostname: "127.0.0.1", port: 8787 });
 * await server.stop();
 * ```
 *
 * @module
 */
export { createSealer, generateSealKey, parseSealKeys, type Sealer } from "./bridge/seal.ts";
export { createGateway } from "./gateway.ts";
export type * from "./options.ts";
export type * from "./secret_source.ts";
export * from "./pricing/price.ts";
export {
  type InputBounds,
  PriceBook,
  priceBook,
  type PriceEntry,
  type PriceText,
  type TierText,
} from "./pricing/price_book.ts";
export type * from "./sessions/admission.ts";
export { UnmeteredAdmission } from "./sessions/admission.ts";
export type * from "./sessions/ledger/ledger.ts";
export type { Lease } from "./sessions/lease.ts";
export type * from "./sessions/limits.ts";
export { portablePrefixHash, type PrefixHash, type PrefixHasher } from "./sessions/prefix_hash.ts";
export * from "./upstreams/transport.ts";
