/** `GET /dashboard/assets/:name`: the page's own files, known again by their hash. @module */
import { SynthError } from "@synth/core";
import { hashKey } from "@synth/core/auth";
import type { RequestContext } from "../http/request_context.ts";
import { ICON } from "./assets/icon.ts";
import { SCRIPT } from "./assets/script.ts";
import { STYLE } from "./assets/style.ts";

const FILES: ReadonlyMap<string, { readonly type: string; readonly text: string }> = new Map([
  ["dashboard.js", { type: "text/javascript; charset=utf-8", text: SCRIPT }],
  ["dashboard.css", { type: "text/css; charset=utf-8", text: STYLE }],
  ["icon.svg", { type: "image/svg+xml", text: ICON }],
]);

/** A file, or 304 when the browser has it. They say nothing about anybody, so no sign-in is asked for. */
export function dashboardAsset(context: RequestContext): Response {
  context.fields["quiet"] = true;
  const file = FILES.get(context.params["name"] ?? "");
  if (file === undefined) {
    throw new SynthError("There is nothing at this path", { code: "not_found", status: 404 });
  }
  const etag = `"${hashKey(file.text).slice(0, 32)}"`;
  const headers = {
    etag,
    "cache-control": "no-cache",
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
  };
  const known = (context.request.headers.get("if-none-match") ?? "").split(",");
  if (known.some((one) => one.trim().replace(/^W\//, "") === etag)) {
    return new Response(null, { status: 304, headers });
  }
  return new Response(file.text, { headers: { ...headers, "content-type": file.type } });
}
