/** `GET /docs`: the API on one page, made from `/openapi.json` by a few lines of its own script; nothing comes from elsewhere. @module */
import type { RequestContext } from "../http/request_context.ts";

const SCRIPT = `
const put = (parent, tag, text) => {
  const node = document.createElement(tag);
  if (text) node.textContent = text;
  parent.append(node);
  return node;
};
const spec = await (await fetch("/openapi.json")).json();
const main = document.querySelector("main");
put(main, "p", spec.info.title + " " + spec.info.version);
for (const [path, methods] of Object.entries(spec.paths)) {
  for (const [method, op] of Object.entries(methods)) {
    const box = put(main, "section");
    put(box, "h2", method.toUpperCase() + " " + path);
    put(box, "p", op.summary + (op.description ? ". " + op.description : "") +
      (op.security ? " Needs a key." : ""));
    const schema = op.requestBody?.content?.["application/json"]?.schema;
    const name = schema?.$ref?.split("/").pop();
    if (name) {
      const details = put(box, "details");
      put(details, "summary", "Body: " + name);
      put(details, "pre", JSON.stringify(spec.components.schemas[name], null, 2));
    }
    const list = put(box, "ul");
    for (const [status, answer] of Object.entries(op.responses)) {
      put(list, "li", status + " " + answer.description);
    }
  }
}`;

const STYLE =
  `body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}
h2{font:600 1rem ui-monospace,monospace;border-bottom:1px solid #ccc}pre{overflow:auto;background:#f4f4f4;padding:1rem}
@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}pre{background:#222}}`;

let policy: Promise<string> | null = null;

/** The page. */
export async function docsPage(context: RequestContext): Promise<Response> {
  context.fields["quiet"] = true;
  policy ??= contentPolicy();
  const html = `<!doctype html><html lang="en"><meta charset="utf-8">` +
    `<meta name="viewport" content="width=device-width"><title>synth gateway</title>` +
    `<style>${STYLE}</style><h1>synth gateway</h1>` +
    `<p>The description as JSON: <a href="/openapi.json">/openapi.json</a></p><main></main>` +
    `<script type="module">${SCRIPT}</script></html>`;
  return new Response(html, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": await policy,
      "referrer-policy": "no-referrer",
      "x-frame-options": "DENY",
    },
  });
}

/** Allows this page's script and style by their hashes, and nothing else. */
async function contentPolicy(): Promise<string> {
  const [script, style] = await Promise.all([hashOf(SCRIPT), hashOf(STYLE)]);
  return `default-src 'none'; script-src '${script}'; style-src '${style}'; connect-src 'self'; ` +
    `base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}

async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}`;
}
