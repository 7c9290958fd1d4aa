/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
// deno-lint-ignore-file jsx-key -- rendered once, on the server: keys would do nothing
/** The org's task apps, and the place of its experiments. @module */
import type { JSX } from "hono/jsx/jsx-runtime";
import type { TaskAppList } from "../task_apps.ts";
import { nameText } from "./format.ts";
import { type Column, Table } from "./table.tsx";
import { Time } from "./time.tsx";

const COLUMNS: readonly Column[] = [
  { label: "Task app" },
  { label: "Address" },
  { label: "Status" },
  { label: "Last seen (UTC)" },
];

/** As the registry has them. Addresses are text: a link to a stranger's server is not ours to offer. */
export function TaskAppsView({ list }: { list: TaskAppList | null }): JSX.Element {
  if (list === null) return <p class="empty">This gateway has no registry of task apps.</p>;
  if (list.apps.length === 0) return <p class="empty">No task app is registered.</p>;
  const rows = list.apps.map((app) => ({
    key: app.id,
    cells: [
      <>
        <bdi class="name">{nameText(app.name ?? app.id)}</bdi>
        {app.name !== null && <code class="id">{nameText(app.id)}</code>}
      </>,
      app.url === null ? null : <bdi class="url">{nameText(app.url)}</bdi>,
      app.status === null ? null : <span class="badge">{nameText(app.status)}</span>,
      app.seenAt === null ? null : <Time at={app.seenAt} />,
    ],
  }));
  return (
    <>
      <Table caption={`${list.apps.length} registered`} columns={COLUMNS} rows={rows} />
      {list.more && <p class="quiet">and more</p>}
    </>
  );
}

/** Where experiments will be. */
export function ExperimentsView(): JSX.Element {
  return <p class="empty">No queue is mounted on this gateway.</p>;
}
