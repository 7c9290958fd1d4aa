/** The kinds of value that a configuration can hold, as zod schemas. @module */
import * as z from "zod";

/** 2^53-1 nano-USD: the largest amount that the ledger can hold, in USD. */
const MAX_USD = 9_007_199;

/** Most decimals that an amount in USD can have: a nano-USD is the smallest unit. */
const MAX_DECIMALS = 9;

/** An amount in USD: finite, not negative, exact in nano-USD. */
export const usd: z.ZodType<number> = z.number().nonnegative()
  .max(MAX_USD, { error: `Too large: at most ${MAX_USD} USD` })
  .refine((n) => decimalsOf(n) <= MAX_DECIMALS, {
    error: `Too fine: at most ${MAX_DECIMALS} decimals`,
  });

/** A count: a safe, non-negative integer. */
export const count: z.ZodType<number> = z.int().nonnegative();

/** A number of tokens that something can hold. */
export const tokens: z.ZodType<number> = z.int().positive().max(1_000_000_000);

/** Seconds, fractions allowed, at most a day. */
export const seconds: z.ZodType<number> = z.number().positive().max(86_400);

/** An http(s) URL to which paths are added: no userinfo, query or fragment; the trailing slash goes. */
export const baseUrl: z.ZodType<string> = z.string().superRefine((text, ctx) => {
  const problem = urlProblem(text);
  if (problem !== null) ctx.addIssue({ code: "custom", message: problem });
}).transform((text) => text.replace(/\/$/, ""));

/** The name of an environment variable. The message never shows the value: it may be the secret itself. */
export const envName: z.ZodType<string> = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, {
  error: "Must be the name of an environment variable, not the secret that it holds",
}).refine((name) => !looksLikeSecret(name), {
  error: "Looks like a secret: put it into an environment variable and write that variable's name",
});

/** A header name, made lower-case. What we set ourselves is refused. */
export const headerName: z.ZodType<string> = z.string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/, { error: "Not a header name" })
  .transform((name) => name.toLowerCase());

/** A header value in printable ASCII. */
export const headerValue: z.ZodType<string> = z.string()
  .regex(/^[\x20-\x7e]{0,8192}$/, { error: "Not a header value: only printable ASCII" });

/** A web origin, or `*`. */
export const origin: z.ZodType<string> = z.string().refine(isOrigin, {
  error: 'Must be an origin such as "https://example.com", or "*"',
});

/** A domain name of two labels or more, in lower case, in its ASCII form. */
export const domainName: z.ZodType<string> = z.string().max(190).regex(
  /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])$/,
  { error: 'Must be a domain name such as "tunnels.example.com"' },
);

/** Text without control characters. */
export const text: z.ZodType<string> = z.string().min(1).max(4096)
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  .regex(/^[^\x00-\x1f\x7f]+$/, { error: "Must not contain control characters" });

function decimalsOf(n: number): number {
  const [mantissa = "", exponent = "0"] = String(n).split("e");
  const fraction = mantissa.split(".")[1] ?? "";
  return Math.max(0, fraction.length - Number(exponent));
}

function urlProblem(value: string): string | null {
  if (!URL.canParse(value)) return "Not a URL";
  const url = new URL(value);
  if (url.protocol !== "http:" && url.protocol !== "https:") return "Must be an http(s) URL";
  if (url.username !== "" || url.password !== "") {
    return "Must not contain a user name or password: use api_key_env or api_key_file";
  }
  if (value.includes("?") || value.includes("#")) return "Must not have a query or a fragment";
  return null;
}

function isOrigin(value: string): boolean {
  return value === "*" || (URL.canParse(value) && new URL(value).origin === value);
}

/** Names are upper-case by custom; long mixed-case runs with digits, or well-known prefixes, are keys. */
function looksLikeSecret(name: string): boolean {
  if (/^(?:gsk|sk|xai|ghp|github_pat|hf|synth)_/.test(name)) return true;
  return name.length >= 20 && /[a-z]/.test(name) && /[A-Z]/.test(name) && /[0-9]/.test(name);
}
