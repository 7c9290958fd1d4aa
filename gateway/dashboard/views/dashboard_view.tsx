/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
// deno-lint-ignore-file jsx-key -- rendered once, on the server: keys would do nothing
/** The page of who is signed in. @module */
import { raw } from "hono/html";
import type { JSX } from "hono/jsx/jsx-runtime";
import { nameText } from "./format.ts";
import { PageView } from "./page_view.tsx";
import { END_FORM } from "./sessions_view.tsx";

/** What became of a form. */
export interface Notice {
  readonly kind: "ended" | "over" | "gone";
  readonly id: string;
}

const TITLES: ReadonlyMap<string, string> = new Map([
  ["overview", "Overview"],
  ["sessions", "Sessions"],
  ["running", "Running calls"],
  ["spend", "Spend"],
  ["keys", "Keys"],
  ["task-apps", "Task apps"],
  ["experiments", "Experiments"],
]);

const NOTES: ReadonlyMap<string, string> = new Map([
  ["running", "Requests to models in the process that serves this page."],
  ["keys", "What keys may do, and when the journal last saw them."],
]);

const NOTICES: Readonly<Record<Notice["kind"], string>> = {
  ended: "was ended",
  over: "was over already",
  gone: "is not a session of this org",
};

/** Header, sections, footer. */
export function DashboardView(
  { org, user, formToken, notice, sections, version }: {
    org: string;
    user: string;
    /** Of the reader's own forms. */
    formToken: string;
    notice: Notice | null;
    /** As HTML, by name. */
    sections: ReadonlyMap<string, string>;
    version: string;
  },
): JSX.Element {
  return (
    <PageView title={`${nameText(org)} - synth`} script>
      <a class="skip" href="#main">Skip to the content</a>
      <header>
        <div class="inner">
          <p class="brand">synth</p>
          <p class="who">
            <span class="unseen">Signed in as</span>
            <bdi>{nameText(user)}</bdi>
            <span class="quiet">
              in <bdi>{nameText(org)}</bdi>
            </span>
          </p>
          <p id="live" class="live" role="status" hidden></p>
          <form method="post" action="/dashboard/sign-out">
            <input type="hidden" name="form_token" value={formToken} />
            <button type="submit">Sign out</button>
          </form>
        </div>
      </header>
      <main id="main" tabindex={-1}>
        <h1>Dashboard</h1>
        <p id="told" class="unseen" role="status"></p>
        {notice !== null && (
          <p class="notice" role="status">
            <code>{notice.id}</code> {NOTICES[notice.kind]}
          </p>
        )}
        <noscript>
          <p class="notice">
            Without JavaScript this page stands still. <a href="/dashboard">Load it again</a>
          </p>
        </noscript>
        <form id={END_FORM} method="post" action="/dashboard/end-session">
          <input type="hidden" name="form_token" value={formToken} />
        </form>
        {[...sections].map(([name, html]) => <Section name={name} html={html} />)}
      </main>
      <footer>
        <p>
          synth {version} <a href="/docs">API</a>
        </p>
      </footer>
    </PageView>
  );
}

function Section({ name, html }: { name: string; html: string }): JSX.Element {
  const note = NOTES.get(name);
  return (
    <section aria-labelledby={`${name}-title`} class={`section-${name}`}>
      <h2 id={`${name}-title`} tabindex={-1}>{TITLES.get(name) ?? name}</h2>
      {note !== undefined && <p class="quiet">{note}</p>}
      <div id={name}>{raw(html)}</div>
    </section>
  );
}
