/** Paging by `limit` and `offset`, with the next page in `Link`. @module */
import { SynthError } from "@synth/core";
import { json } from "../../http/json.ts";
import type { RequestContext } from "../../http/request_context.ts";
import { requestUrl } from "../../http/request_url.ts";

/** One page. */
export interface Page {
  /** 1 to 1000. */
  readonly limit: number;
  readonly offset: number;
}

/** The query of a request. */
export function queryOf(context: RequestContext): URLSearchParams {
  return requestUrl(context.request).searchParams;
}

/** The page that is asked for; 100 from the beginning when nothing is. @throws {SynthError} 400 `invalid_value` */
export function pageOf(query: URLSearchParams): Page {
  return {
    limit: numberOf(query, "limit", 100, 1, 1000),
    offset: numberOf(query, "offset", 0, 0, 1_000_000_000),
  };
}

/** One of the words that a parameter can be; `undefined` when it is not there. @throws {SynthError} 400 `invalid_value` */
export function wordOf<T extends string>(
  query: URLSearchParams,
  name: string,
  words: readonly T[],
): T | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const word = words.find((one) => one === text);
  if (word !== undefined) return word;
  throw invalidQuery(name, `expected one of ${words.join(", ")}`);
}

/** The error for a parameter of the query. */
export function invalidQuery(name: string, why: string): SynthError {
  return new SynthError(`Invalid '${name}': ${why}`, {
    code: "invalid_value",
    status: 400,
    param: name,
  });
}

/** A page as a bare array. A full page names the next one, which may be empty. */
export function pageAnswer(
  context: RequestContext,
  page: Page,
  items: readonly unknown[],
): Response {
  if (items.length < page.limit) return json(items);
  const offset = String(page.offset + page.limit);
  return json(items, 200, nextLink(context, { limit: String(page.limit), offset }));
}

/** `Link` to the same path and query, with these parameters. Relative: the gateway may be behind a proxy. */
export function nextLink(
  context: RequestContext,
  params: Readonly<Record<string, string>>,
): Record<string, string> {
  const url = requestUrl(context.request);
  for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value);
  return { link: `<${url.pathname}${url.search}>; rel="next"` };
}

function numberOf(
  query: URLSearchParams,
  name: string,
  fallback: number,
  low: number,
  high: number,
): number {
  const text = query.get(name);
  if (text === null) return fallback;
  const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : NaN;
  if (value >= low && value <= high) return value;
  throw invalidQuery(name, `expected an integer from ${low} to ${high}`);
}
