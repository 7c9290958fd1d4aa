/**
 * Who asks and what they may: keys, their store, and the check at the door.
 *
 * ```ts
 * import { Authenticator, type Principal, requireScope } from "@synth/core/auth";
 *
 * const principal: Principal = {
 *   org: "home", user: "me", keyId: "key_static", scopes: new Set(["infer"]), expiresAt: null,
 * };
 * const door = new Authenticator({ staticKeys: [{ key: "hush-hush", principal }] });
 * const request = new Request("http://localhost/", { headers: { "x-api-key": "hush-hush" } });
 * requireScope(await door.authenticate(request), "infer");
 * ```
 *
 * @module
 */
export * from "./authenticator.ts";
export { equalHashes, hashKey, hasKeyShape, newKey } from "./key.ts";
export type { KeyRecord } from "./key_record.ts";
export * from "./key_store.ts";
export * from "./principal.ts";
