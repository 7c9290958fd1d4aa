/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
// deno-lint-ignore-file jsx-key -- rendered once, on the server: keys would do nothing
/** The org's sessions with their limits. @module */
import type { Child } from "hono/jsx";
import type { JSX } from "hono/jsx/jsx-runtime";
import { isOver } from "../../sessions/api/find_session.ts";
import type { Session, SessionStatus } from "../../sessions/ledger/ledger.ts";
import { OPEN_SESSIONS, type OrgView } from "../org_view.ts";
import { amountText, nameText } from "./format.ts";
import { LimitBars } from "./limit_bar.tsx";
import { type Column, Table } from "./table.tsx";
import { Time } from "./time.tsx";

/** Sessions that are over and still shown. */
const OVER_SHOWN = 15;

/** The one form that every button "End session" sends: so no section holds anything of the reader's own. */
export const END_FORM = "end-session-form";

const STATUS_TEXT: Readonly<Record<SessionStatus, string>> = {
  active: "Open",
  limit_exceeded: "Limit reached",
  ended: "Ended",
  expired: "Expired",
};

const COLUMNS: readonly Column[] = [
  { label: "Session" },
  { label: "Status" },
  { label: "Limits" },
  { label: "Used", number: true },
  { label: "Last seen (UTC)" },
  { label: "Action", hidden: true },
];

/** Open ones first, the newest on top, then the last few that are over. */
export function SessionsView({ view }: { view: OrgView }): JSX.Element {
  if (view.live === null) return <p class="empty">This gateway keeps no sessions.</p>;
  const { open, over, cut } = sortedSessions(view);
  if (open.length + over.length === 0) {
    return (
      <p class="empty">
        No sessions yet. The first request of an agent opens one; so does{" "}
        <code>synth session create</code>.
      </p>
    );
  }
  const rows = [...open, ...over].map((session) => ({
    key: session.id,
    status: session.status,
    cells: cellsOf(session),
  }));
  return (
    <>
      <Table caption={captionOf(open.length, over.length, cut)} columns={COLUMNS} rows={rows} />
      {view.live.more && (
        <p class="quiet">
          {cut ? "Older sessions" : "Older sessions that are over"}: <code>synth session list</code>
        </p>
      )}
    </>
  );
}

/** What is shown, in its order; `cut` when there are more open ones than that. */
export function sortedSessions(
  { live, oldSessions }: OrgView,
): { readonly open: Session[]; readonly over: Session[]; readonly cut: boolean } {
  const newest = live?.sessions ?? [];
  const known = new Set(newest.map(({ id }) => id));
  const all = [...newest, ...oldSessions.filter(({ id }) => !known.has(id))];
  return {
    open: all.filter((session) => !isOver(session)),
    over: all.filter(isOver).slice(0, OVER_SHOWN),
    cut: (["active", "limit_exceeded"] as const).some((status) =>
      oldSessions.filter((session) => session.status === status).length >= OPEN_SESSIONS
    ),
  };
}

function captionOf(open: number, over: number, cut: boolean): string {
  const last = over === 0
    ? ""
    : over === 1
    ? ", and the last one that is over"
    : `, and the last ${over} that are over`;
  return `${cut ? `The newest ${open} of those that are open` : `${open} open`}${last}`;
}

function cellsOf(session: Session): readonly Child[] {
  return [
    <>
      <bdi class="name">{sessionName(session)}</bdi>
      <code class="id">{session.id}</code>
      <span class="quiet">
        <bdi>{nameText(session.user)}</bdi>
        {session.isActive && ", takes requests without a session"}
      </span>
    </>,
    <span class="badge" data-status={session.status}>{STATUS_TEXT[session.status]}</span>,
    <LimitBars limits={session.limits} />,
    <>
      <span>{amountText("cost", session.used.cost)}</span>
      <span class="quiet">{amountText("tokens", session.used.tokens)} tokens</span>
    </>,
    <Time at={session.seenAt} />,
    isOver(session) ? null : <EndButton session={session} />,
  ];
}

/** Two steps, so that a slip ends nothing; without a script too. */
function EndButton({ session }: { session: Session }): JSX.Element {
  const name = sessionName(session);
  return (
    <details class="end">
      <summary>
        End<span class="unseen">{` session ${name} ${session.id}`}</span>
      </summary>
      <p id={`why-${session.id}`}>Requests that name it will be refused.</p>
      <button
        type="submit"
        class="danger"
        form={END_FORM}
        name="session_id"
        value={session.id}
        aria-describedby={`why-${session.id}`}
      >
        End session<span class="unseen">{` ${session.id}`}</span>
      </button>
    </details>
  );
}

/** Its title, when whoever opened it gave one, else what kind it is. */
function sessionName({ metadata, type }: Session): string {
  for (const member of ["title", "name"]) {
    const value = Object.hasOwn(metadata, member) ? metadata[member] : undefined;
    if (typeof value === "string" && value.trim() !== "") return nameText(value);
  }
  return nameText(type);
}
