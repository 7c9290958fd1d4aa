/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
// deno-lint-ignore-file jsx-key -- rendered once, on the server: keys would do nothing
/** Model calls that run now. @module */
import type { JSX } from "hono/jsx/jsx-runtime";
import type { RunningCall } from "../running.ts";
import { nameText } from "./format.ts";
import { type Column, Table } from "./table.tsx";
import { Time } from "./time.tsx";

const SHOWN = 25;
const COLUMNS: readonly Column[] = [
  { label: "Model" },
  { label: "Kind" },
  { label: "User" },
  { label: "Since (UTC)" },
];

/** The longest running first. */
export function RunningView({ running }: { running: readonly RunningCall[] }): JSX.Element {
  if (running.length === 0) return <p class="empty">Nothing runs at the moment.</p>;
  const rows = running.slice(0, SHOWN).map((call) => ({
    key: call.id,
    cells: [
      <bdi class="name">{nameText(call.model)}</bdi>,
      call.streaming ? "stream" : "whole answer",
      <bdi>{nameText(call.user)}</bdi>,
      <Time at={call.since} />,
    ],
  }));
  const rest = running.length - rows.length;
  return (
    <>
      <Table caption={`${running.length} running`} columns={COLUMNS} rows={rows} />
      {rest > 0 && <p class="quiet">and {rest} more</p>}
    </>
  );
}
