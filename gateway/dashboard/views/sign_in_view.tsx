/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
/** The form to sign in. @module */
import type { SynthError } from "@synth/core";
import type { JSX } from "hono/jsx/jsx-runtime";
import { PageView } from "./page_view.tsx";

/** Asks for a key, which goes to the gateway once and is kept nowhere. */
export function SignInView(
  { formToken, problem, loadAgain }: {
    formToken: string;
    problem: SynthError | null;
    /** The reader may be signed in after all: see `signInPage`. */
    loadAgain: boolean;
  },
): JSX.Element {
  const wrong = problem !== null;
  return (
    <PageView
      title={wrong ? "Not signed in - synth" : "Sign in - synth"}
      head={loadAgain && <meta http-equiv="refresh" content="0;url=/dashboard" />}
    >
      <main class="narrow">
        <p class="brand">synth</p>
        <h1>Sign in</h1>
        {problem !== null && (
          <p id="problem" class="problem" role="alert">
            {problem.message}.{problem.hint !== undefined && ` ${problem.hint}.`}
          </p>
        )}
        <form method="post" action="/dashboard/session" class="sign-in">
          <input type="hidden" name="form_token" value={formToken} />
          <label for="key">API key</label>
          <input
            id="key"
            name="key"
            type="password"
            required
            autofocus
            autocomplete="current-password"
            spellcheck={false}
            maxlength={512}
            aria-invalid={wrong ? "true" : undefined}
            aria-describedby={wrong ? "problem key-note" : "key-note"}
          />
          <p id="key-note" class="quiet">
            A key with the scope{" "}
            <code>sessions</code>. It is checked once and not kept: the browser gets a cookie that
            ends with the key, when you sign out, or after eight hours.
          </p>
          <button type="submit" class="primary">Sign in</button>
        </form>
      </main>
    </PageView>
  );
}
