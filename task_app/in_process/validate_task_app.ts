/** Whether an app has what the contract asks for. @module */
import { EXIT, SynthError } from "@synth/core";
import { asFetchHandler } from "./load_task_app.ts";
import type { TaskAppHandler } from "./options.ts";

/** What has to answer. */
export const REQUIRED_ROUTES: readonly {
  readonly method: "GET" | "POST";
  readonly path: string;
}[] = [
  { method: "GET", path: "/" },
  { method: "GET", path: "/health" },
  { method: "GET", path: "/info" },
  { method: "GET", path: "/task_info" },
  { method: "POST", path: "/rollout" },
];

/** How a route answered. */
export interface RouteCheck {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** GET: 200. `POST /rollout`, which is sent an empty object: anything but 404, 405 and 5xx. */
  readonly ok: boolean;
}

/**
 * Asks every route that a task app must have. No rollout is started: an empty request is refused by every app that checks its requests.
 *
 * @throws {SynthError} `task_app_incomplete`, exit code 6, with the routes in `details`
 */
export async function validateTaskApp(
  app: TaskAppHandler,
  options: { readonly apiKey: string | null },
): Promise<RouteCheck[]> {
  const handler = asFetchHandler(app);
  const checks: RouteCheck[] = [];
  for (const { method, path } of REQUIRED_ROUTES) {
    const response = await handler(request(method, path, options.apiKey));
    await response.body?.cancel();
    const { status } = response;
    const ok = method === "GET" ? status === 200 : status !== 404 && status !== 405 && status < 500;
    checks.push({ method, path, status, ok });
  }
  const missing = checks.filter(({ ok }) => !ok);
  if (missing.length === 0) return checks;
  const list = missing.map(({ method, path, status }) => `${method} ${path} (${status})`);
  throw new SynthError(`The task app does not answer ${list.join(", ")}`, {
    code: "task_app_incomplete",
    status: 400,
    exitCode: EXIT.checks,
    hint: "createTaskApp(config) serves all that the contract asks for",
    details: { routes: missing.map((check) => ({ ...check })) },
  });
}

function request(method: "GET" | "POST", path: string, apiKey: string | null): Request {
  const headers = new Headers(apiKey === null ? {} : { "x-api-key": apiKey });
  if (method === "GET") return new Request(`http://127.0.0.1${path}`, { headers });
  headers.set("content-type", "application/json");
  return new Request(`http://127.0.0.1${path}`, { method, headers, body: "{}" });
}
