/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
/** The sections as HTML, by name: the same text in the page and in its feed. @module */
import type { OrgView } from "../org_view.ts";
import type { RunningCall } from "../running.ts";
import { KeysView } from "./keys_view.tsx";
import { OverviewView } from "./overview_view.tsx";
import { RunningView } from "./running_view.tsx";
import { SessionsView } from "./sessions_view.tsx";
import { SpendView } from "./spend_view.tsx";
import { ExperimentsView, TaskAppsView } from "./task_apps_view.tsx";

/** What the sections show. Nothing of who reads them but whether that is an admin. */
export interface SectionsInput {
  readonly view: OrgView;
  readonly admin: boolean;
  readonly running: readonly RunningCall[];
  readonly now: number;
}

/** In the order of the page. The keys are there for admins alone. */
export function renderSections(
  { view, admin, running, now }: SectionsInput,
): ReadonlyMap<string, string> {
  const sections = new Map([
    ["overview", String(<OverviewView view={view} running={running} />)],
    ["sessions", String(<SessionsView view={view} />)],
    ["running", String(<RunningView running={running} />)],
    ["spend", String(<SpendView spend={view.spend} />)],
  ]);
  if (admin) {
    const lastUse = view.spend?.lastUse ?? new Map<string, number>();
    sections.set("keys", String(<KeysView keys={view.keys} lastUse={lastUse} now={now} />));
  }
  sections.set("task-apps", String(<TaskAppsView list={view.taskApps} />));
  sections.set("experiments", String(<ExperimentsView />));
  return sections;
}
