/**
 * The gateway: speaks the Responses API to agents, Chat Completions to models, and is a function from `Request` to `Response`.
 *
 * ```ts ignore
 * import { createGateway, undiciTransport } from "@synth/gateway";
 *
 * const gateway = await createGateway({ config, authenticator, secrets, transport: undiciTransport() });
 * Deno.serve((request) => gateway.fetch(request));
 * ```
 *
 * @module
 */
export { createGateway } from "./gateway.ts";
export type * from "./options.ts";
export type * from "./sessions/admission.ts";
export { UnmeteredAdmission } from "./sessions/admission.ts";
export * from "./upstreams/transport.ts";
