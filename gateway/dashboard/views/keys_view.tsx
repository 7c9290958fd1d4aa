/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
// deno-lint-ignore-file jsx-key -- rendered once, on the server: keys would do nothing
/** The org's keys, for those who administer them. Never a key's text, nor the end of one. @module */
import type { KeyRecord } from "@synth/core/auth";
import type { JSX } from "hono/jsx/jsx-runtime";
import type { KeyView } from "../org_view.ts";
import { SPEND_DAYS } from "../spend.ts";
import { nameText } from "./format.ts";
import { type Column, Table } from "./table.tsx";
import { Time } from "./time.tsx";

const COLUMNS: readonly Column[] = [
  { label: "Key" },
  { label: "User" },
  { label: "Scopes" },
  { label: "Status" },
  { label: "Last use (UTC)" },
];

type KeyStatus = "revoked" | "expired" | "replaced" | "active";

const STATUS_TEXT: Readonly<Record<KeyStatus, string>> = {
  active: "Active",
  replaced: "Replaced",
  expired: "Expired",
  revoked: "Revoked",
};

/** Newest first. */
export function KeysView(
  { keys, lastUse, now }: {
    keys: KeyView | null;
    lastUse: ReadonlyMap<string, number>;
    now: number;
  },
): JSX.Element {
  if (keys === null) return <p class="empty">This gateway makes no keys.</p>;
  if (keys.keys.length === 0) {
    return (
      <p class="empty">
        No keys were made yet: <code>synth keys create</code>
      </p>
    );
  }
  const rows = keys.keys.map((record) => {
    const last = lastUse.get(record.keyId);
    const status = statusOf(record, now);
    return {
      key: `${record.keyId} ${record.createdAt}`,
      cells: [
        <>
          <bdi class="name">{record.name === "" ? "no name" : nameText(record.name)}</bdi>
          <code class="id">{record.keyId}</code>
        </>,
        <bdi>{nameText(record.user)}</bdi>,
        record.scopes.join(", "),
        <span class="badge" data-status={status}>{STATUS_TEXT[status]}</span>,
        last === undefined
          ? <span class="quiet">not in {SPEND_DAYS} days</span>
          : <Time at={last} />,
      ],
    };
  });
  return (
    <>
      <Table
        caption={keys.keys.length === 1 ? "1 key" : `${keys.keys.length} keys`}
        columns={COLUMNS}
        rows={rows}
      />
      {keys.more && (
        <p class="quiet">
          and more: <code>synth keys list</code>
        </p>
      )}
    </>
  );
}

function statusOf(record: KeyRecord, now: number): KeyStatus {
  if (record.revokedAt !== null) return "revoked";
  if (record.expiresAt !== null && record.expiresAt <= now) return "expired";
  return record.replacedAt === null ? "active" : "replaced";
}
