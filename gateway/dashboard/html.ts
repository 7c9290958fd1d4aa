/** Answers for browsers: pages, redirects, errors that people can read. @module */
import { SynthError } from "@synth/core";
import type { RequestContext } from "../http/request_context.ts";

/**
 * Everything comes from our own origin, nothing is inline, nobody frames us. `same-origin` as the referrer, since with `no-referrer` browsers
 * send `Origin: null` with forms.
 */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; " +
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; " +
    "frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "same-origin",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** A page. */
export function htmlAnswer(html: string, status = 200, cookies: readonly string[] = []): Response {
  const headers = new Headers({ ...PAGE_HEADERS, "content-type": "text/html; charset=utf-8" });
  for (const cookie of cookies) headers.append("set-cookie", cookie);
  return new Response(`<!doctype html>${html}`, { status, headers });
}

/** Sends the browser to a page of ours, with GET. */
export function redirect(path: string, cookies: readonly string[] = []): Response {
  const headers = new Headers({ ...PAGE_HEADERS, location: path });
  for (const cookie of cookies) headers.append("set-cookie", cookie);
  return new Response(null, { status: 303, headers });
}

/** What went wrong as a `SynthError`; what is none is a bug and stays with the gateway. */
export function asKnown(context: RequestContext, error: unknown): SynthError {
  if (!(error instanceof SynthError)) throw error;
  context.fields["error_code"] = error.code;
  if (error.status >= 500 && error.cause instanceof Error) context.error = error.cause;
  return error;
}
