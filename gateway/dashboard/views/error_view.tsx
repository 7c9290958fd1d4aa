/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
/** What went wrong, and what to do. @module */
import type { SynthError } from "@synth/core";
import type { JSX } from "hono/jsx/jsx-runtime";
import { PageView } from "./page_view.tsx";

/** A page for an error. */
export function ErrorView({ error }: { error: SynthError }): JSX.Element {
  return (
    <PageView title="Not available - synth">
      <main class="narrow">
        <p class="brand">synth</p>
        <h1>{error.message}</h1>
        {error.hint !== undefined && <p>{error.hint}.</p>}
        <p class="quiet">
          Code: <code>{error.code}</code>
        </p>
        <p>
          <a href="/dashboard">Back to the dashboard</a>
        </p>
      </main>
    </PageView>
  );
}
