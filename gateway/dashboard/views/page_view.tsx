/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
/** What all pages of the dashboard have. @module */
import type { Child } from "hono/jsx";
import type { JSX } from "hono/jsx/jsx-runtime";

/** The document around a page. */
export function PageView(
  { title, script = false, head, children }: {
    title: string;
    script?: boolean;
    head?: Child;
    children?: Child;
  },
): JSX.Element {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{title}</title>
        <link rel="icon" type="image/svg+xml" href="/dashboard/assets/icon.svg" />
        <link rel="stylesheet" href="/dashboard/assets/dashboard.css" />
        {script && <script src="/dashboard/assets/dashboard.js" type="module"></script>}
        {head}
      </head>
      <body>{children}</body>
    </html>
  );
}
