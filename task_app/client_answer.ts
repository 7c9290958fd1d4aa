/** Reads what a task app answered: a value of the contract, or an error of ours. @module */
import type * as z from "zod";
import {
  decodeUtf8,
  type Json,
  parseJsonLimited,
  readBodyLimited,
  redactText,
  SynthError,
} from "@synth/core";
import { contractIssues, issuesJson } from "./contract/contract_issue.ts";

/** Traces are long: more than what a stranger may send us, since we asked for it. */
const LIMITS = { maxDepth: 256, maxItems: 5_000_000 };
const MAX_MESSAGE = 500;

/**
 * The JSON of an answer.
 *
 * @throws {SynthError} with the status, code, `param`, and issues of a refusal; 502 `invalid_task_app_answer` for what is no JSON
 */
export async function readAnswer(response: Response, maxBytes: number): Promise<Json> {
  const text = decodeUtf8(await readBodyLimited(response.body, maxBytes));
  let value: Json | undefined;
  try {
    value = parseJsonLimited(text, LIMITS);
  } catch {
    value = undefined;
  }
  if (!response.ok) throw refusal(response, value);
  if (value !== undefined) return value;
  throw new SynthError("The task app did not answer with JSON", {
    code: "invalid_task_app_answer",
    status: 502,
    hint: "Is this the URL of a task app?",
  });
}

/** A value by its schema. @throws {SynthError} 502 `invalid_task_app_answer`, with `issues` */
export function parseAnswer<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = contractIssues(result.error);
  const [first] = issues;
  throw new SynthError(
    `The task app's answer breaks the contract at ${first?.path || "its top"}: ${
      first?.message ?? ""
    }`,
    { code: "invalid_task_app_answer", status: 502, details: { issues: issuesJson(issues) } },
  );
}

function refusal(response: Response, value: Json | undefined): SynthError {
  const { status } = response;
  const own = errorOf(value);
  const code = own?.["code"];
  const message = own?.["message"];
  const param = own?.["param"];
  const issues = own?.["issues"];
  const unauthorised = status === 401 || status === 403 || code === "unauthorised";
  const retryAfter = response.headers.get("retry-after");
  return new SynthError(
    typeof message === "string"
      ? redactText(message).slice(0, MAX_MESSAGE)
      : `The task app answered ${status}`,
    {
      code: typeof code === "string" && /^[a-z0-9_]{1,64}$/.test(code) ? code : "task_app_error",
      // A redirect is no answer to what was asked.
      status: status >= 400 && status <= 599 ? status : 502,
      ...(typeof param === "string" ? { param: param.slice(0, 256) } : {}),
      ...(unauthorised ? { exitCode: 4, hint: "Check ENVIRONMENT_API_KEY" } : {}),
      details: {
        http_status: status,
        request_id: response.headers.get("x-request-id"),
        ...(Array.isArray(issues) ? { issues: issues.slice(0, 100) } : {}),
      },
      ...(retryAfter === null ? {} : { headers: { "retry-after": retryAfter } }),
    },
  );
}

/** Our shape, and the contract's. */
function errorOf(value: Json | undefined): { [key: string]: Json } | null {
  const body = asObject(value);
  const error = asObject(body?.["error"]) ?? asObject(asObject(body?.["detail"])?.["error"]);
  if (error !== null) return error;
  const detail = body?.["detail"];
  return typeof detail === "string" ? { message: detail } : null;
}

function asObject(value: Json | undefined): { [key: string]: Json } | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
}
