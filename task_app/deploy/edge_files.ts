/** The files of a deployment at the edge. @module */

/** Date of the Workers runtime that the bundle was tried with. */
export const WORKER_COMPATIBILITY_DATE = "2026-04-01";

/** The first line of a bundle: what begins with it may be written anew. */
export const BUNDLE_MARK = "// Made by synth deploy: it is written anew with each deployment.";

/** How the entry gets at the toolkit. */
export type EdgeToolkit = string | null;

/** The entry around a user's file. @param toolkit specifier of `@synth/task-app/edge`; `null`: the file exports an app with `fetch` of its own */
export function edgeEntry(fileUrl: string, fileName: string, toolkit: EdgeToolkit): string {
  const file = JSON.stringify(fileUrl);
  if (toolkit !== null) {
    return [
      `import { edgeTaskApp } from ${JSON.stringify(toolkit)};`,
      `import * as exports from ${file};`,
      `export default edgeTaskApp(exports, ${JSON.stringify(fileName)});`,
      "",
    ].join("\n");
  }
  return [
    `import * as exports from ${file};`,
    'const app = ["default", "app", "taskApp"].map((name) => exports[name])',
    '  .find((value) => typeof (value?.fetch ?? value) === "function");',
    'if (app === undefined) throw new Error("the file exports no app with fetch");',
    "export default {",
    '  fetch: (...args) => typeof app === "function" ? app(...args) : app.fetch(...args),',
    "};",
    "",
  ].join("\n");
}

/** The configuration of a Worker, for `wrangler`. It holds no secret. */
export function wranglerConfig(name: string, flags: readonly string[]): string {
  return `${
    JSON.stringify(
      {
        name,
        main: "worker.js",
        no_bundle: true,
        compatibility_date: WORKER_COMPATIBILITY_DATE,
        // Without the first it does not hear of clients that go.
        compatibility_flags: ["enable_request_signal", ...flags],
        workers_dev: true,
        preview_urls: false,
        observability: { enabled: true },
      },
      null,
      2,
    )
  }\n`;
}

/** The configuration of the directory that goes to Deno Deploy. */
export function denoDeployConfig(org: string | null, app: string): string {
  const deploy = { ...(org === null ? {} : { org }), app };
  return `${JSON.stringify({ deploy }, null, 2)}\n`;
}
