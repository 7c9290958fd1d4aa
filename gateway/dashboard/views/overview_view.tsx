/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
/** The figures that one looks for first, and the org's own limits. @module */
import type { JSX } from "hono/jsx/jsx-runtime";
import type { OrgView } from "../org_view.ts";
import type { RunningCall } from "../running.ts";
import { SPEND_DAYS } from "../spend.ts";
import { countText, roundedCost } from "./format.ts";
import { LimitBars } from "./limit_bar.tsx";
import { sortedSessions } from "./sessions_view.tsx";

/** A list of figures. */
export function OverviewView(
  { view, running }: { view: OrgView; running: readonly RunningCall[] },
): JSX.Element {
  const { live, spend } = view;
  const { open, cut } = sortedSessions(view);
  const exceeded = open.filter(({ status }) => status === "limit_exceeded").length;
  const today = spend?.days[0];
  return (
    <>
      <dl class="figures">
        {live !== null && (
          <Figure
            name="Open sessions"
            value={`${countText(open.length)}${cut ? "+" : ""}`}
            note={exceeded > 0 ? `${exceeded} at the limit` : undefined}
          />
        )}
        <Figure name="Running calls" value={countText(running.length)} />
        {today !== undefined && spend !== null && (
          <>
            <Figure
              name="Cost today"
              value={roundedCost(today.cost)}
              note={today.events === 1 ? "1 event" : `${countText(today.events)} events`}
            />
            <Figure
              name={`Cost in ${SPEND_DAYS} days`}
              value={roundedCost(spend.total.cost)}
              note={`${countText(spend.total.tokens)} tokens`}
            />
          </>
        )}
      </dl>
      {live?.org !== null && live?.org !== undefined && live.org.limits.length > 0 && (
        <div class="org-limits">
          <h3>Limits of the org</h3>
          <LimitBars limits={live.org.limits} />
        </div>
      )}
    </>
  );
}

function Figure(
  { name, value, note }: { name: string; value: string; note?: string | undefined },
): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {value}
        {note !== undefined && <span class="quiet">{note}</span>}
      </dd>
    </div>
  );
}
