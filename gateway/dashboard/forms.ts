/** Forms that only the dashboard's own pages can send. @module */
import { decodeUtf8, SynthError } from "@synth/core";
import { equalHashes, hashKey } from "@synth/core/auth";
import { readBody } from "../http/read_body.ts";
import type { RequestContext } from "../http/request_context.ts";
import { requestUrl } from "../http/request_url.ts";

const MAX_BYTES = 8192;
const BODY_MS = 10_000;

/** What a form must carry beside its cookie: made from the cookie's token, which cannot be found from it. */
export function formToken(token: string): string {
  return hashKey(`synth-dashboard-form:${token}`);
}

/**
 * Reads a form that a page of ours has sent.
 *
 * @param token of the cookie that the form's own token was made from; `null`: there is no cookie
 * @throws {SynthError} 403 `form_refused`, 400, 408, 413 or 415
 */
export async function readForm(
  context: RequestContext,
  token: string | null,
): Promise<URLSearchParams> {
  const { request, clock, signal } = context;
  if (!isSameOrigin(request)) throw refused("it was sent from another site");
  const type = (request.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase();
  if (type !== "application/x-www-form-urlencoded") {
    throw new SynthError("A form is expected", { code: "unsupported_media_type", status: 415 });
  }
  const bytes = await readBody(request, {
    maxBytes: MAX_BYTES,
    timeoutMs: BODY_MS,
    clock,
    signal,
  });
  const form = new URLSearchParams(decodeUtf8(bytes));
  const given = form.get("form_token") ?? "";
  if (token === null || !equalHashes(given, formToken(token))) {
    throw refused("it is too old, or cookies are off");
  }
  return form;
}

/**
 * Whether a page of ours sent the request. Browsers say so in `Sec-Fetch-Site`, which no script can set; those that do not send it (plain http
 * beyond this machine) name the `Origin`.
 */
export function isSameOrigin(request: Request): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site !== null) return site === "same-origin";
  const origin = request.headers.get("origin");
  if (origin === null || !URL.canParse(origin)) return false;
  return new URL(origin).host === requestUrl(request).host;
}

function refused(why: string): SynthError {
  return new SynthError(`This form is not accepted: ${why}`, {
    code: "form_refused",
    status: 403,
    hint: "Open /dashboard anew and try again",
  });
}
