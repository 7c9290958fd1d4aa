/** The ledger's file. @module */
import type { Migration } from "@synth/core/storage";

/** Amounts are 64-bit integers; times are milliseconds since the epoch. */
export const LEDGER_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    sql: `
CREATE TABLE sessions (
  org TEXT NOT NULL,
  id TEXT NOT NULL,
  user TEXT NOT NULL,
  key_id TEXT NOT NULL,
  spec TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  deadline INTEGER,
  idle_ms INTEGER,
  seen_at INTEGER NOT NULL,
  ended_at INTEGER,
  active INTEGER NOT NULL,
  PRIMARY KEY (org, id)
) STRICT;
CREATE UNIQUE INDEX sessions_active ON sessions (org, user) WHERE active = 1;
CREATE INDEX sessions_newest ON sessions (org, created_at, id);

CREATE TABLE scopes (
  no INTEGER PRIMARY KEY,
  org TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  clock INTEGER NOT NULL DEFAULT 0,
  tokens INTEGER NOT NULL DEFAULT 0,
  cost INTEGER NOT NULL DEFAULT 0,
  gpu_time INTEGER NOT NULL DEFAULT 0,
  api_calls INTEGER NOT NULL DEFAULT 0,
  UNIQUE (org, kind, id)
) STRICT;

-- A number is never given twice: leases tell by it which limits came after them.
CREATE TABLE limits (
  no INTEGER PRIMARY KEY AUTOINCREMENT,
  scope INTEGER NOT NULL REFERENCES scopes (no) ON DELETE CASCADE,
  id TEXT NOT NULL,
  metric TEXT NOT NULL,
  kind TEXT NOT NULL,
  value INTEGER NOT NULL,
  window_ms INTEGER,
  warn_ppm INTEGER,
  expires_at INTEGER,
  held INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
  -- Of a rolling window the buckets count instead.
  charged INTEGER NOT NULL DEFAULT 0,
  overrun INTEGER NOT NULL DEFAULT 0,
  UNIQUE (scope, id)
) STRICT;

CREATE TABLE buckets (
  limit_no INTEGER NOT NULL REFERENCES limits (no) ON DELETE CASCADE,
  bucket INTEGER NOT NULL,
  charged INTEGER NOT NULL DEFAULT 0,
  overrun INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (limit_no, bucket)
) STRICT, WITHOUT ROWID;

CREATE TABLE prefixes (
  no INTEGER PRIMARY KEY,
  scope INTEGER NOT NULL REFERENCES scopes (no) ON DELETE CASCADE,
  hash TEXT NOT NULL,
  tokens INTEGER NOT NULL,
  UNIQUE (scope, hash)
) STRICT;

CREATE TABLE operations (
  no INTEGER PRIMARY KEY,
  scope INTEGER NOT NULL REFERENCES scopes (no) ON DELETE CASCADE,
  id TEXT NOT NULL,
  UNIQUE (scope, id)
) STRICT;

CREATE TABLE leases (
  org TEXT NOT NULL,
  id TEXT NOT NULL,
  state TEXT NOT NULL,
  session_id TEXT,
  key_id TEXT NOT NULL,
  user TEXT NOT NULL,
  model TEXT,
  price_version TEXT,
  opened INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER,
  tokens INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  gpu_time INTEGER NOT NULL,
  api_calls INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  -- The number of the newest limit when it was granted, and when it expired.
  granted_at_limit INTEGER NOT NULL,
  expired_at_limit INTEGER,
  -- The clocks of session, key and org when it expired.
  expired_clocks TEXT,
  -- When it was settled, released or expired.
  done_at INTEGER,
  PRIMARY KEY (org, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX leases_open ON leases (org, expires_at) WHERE state = 'open';
CREATE INDEX leases_done ON leases (org, done_at) WHERE done_at IS NOT NULL;

CREATE TABLE usage (
  no INTEGER PRIMARY KEY,
  org TEXT NOT NULL,
  id TEXT NOT NULL,
  session_id TEXT,
  kind TEXT NOT NULL,
  at INTEGER NOT NULL,
  user TEXT NOT NULL,
  key_id TEXT NOT NULL,
  model TEXT,
  price_version TEXT,
  tokens INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  gpu_time INTEGER NOT NULL,
  api_calls INTEGER NOT NULL,
  over_tokens INTEGER NOT NULL,
  over_cost INTEGER NOT NULL,
  over_gpu_time INTEGER NOT NULL,
  over_api_calls INTEGER NOT NULL,
  expired INTEGER NOT NULL,
  detail TEXT,
  reference_type TEXT,
  metadata TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX usage_once ON usage (org, id, ifnull(session_id, ''));
CREATE INDEX usage_time ON usage (org, at, no);
CREATE INDEX usage_session ON usage (org, session_id, at, no);
`,
  },
  {
    // Every index is a page more in every commit. Ids of the gateway's leases sort by time, so their primary key finds the old ones;
    // and the key that keeps lines of the journal single finds those of a session, when the session comes first in it.
    version: 2,
    sql: `
DROP INDEX leases_done;
CREATE INDEX leases_done ON leases (org, done_at)
  WHERE done_at IS NOT NULL AND (length(id) <> 32 OR substr(id, 1, 6) <> 'lease_');
DROP INDEX usage_session;
DROP INDEX usage_once;
CREATE UNIQUE INDEX usage_once ON usage (org, ifnull(session_id, ''), id);
`,
  },
];
