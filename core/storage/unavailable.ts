/** The one way a store says that it cannot serve: `store_unavailable`, with the reason as a word. @module */
import { SynthError } from "../errors.ts";

/** Why a store cannot serve. Stands in `details.reason`. */
export type StoreTrouble =
  | "busy"
  | "full"
  | "io"
  | "corrupt"
  | "not_a_database"
  | "read_only"
  | "cannot_open"
  | "closed"
  | "timeout"
  | "network"
  | "protocol"
  | "auth"
  | "quota"
  | "not_ready";

const HINTS: Record<StoreTrouble, string | undefined> = {
  busy: "Another process holds the store's lock; try again",
  full: "Free space on the store's disk (or raise its memory limit)",
  io: "Check the disk that holds the store",
  corrupt: "Restore the store from a backup copy",
  not_a_database: "Move the file away or restore it from a backup copy",
  read_only: "Make the store writable for this process",
  cannot_open: "Check that the folder exists and belongs to this user",
  closed: undefined,
  timeout: undefined,
  network: "Check that the store is running and its URL is right",
  protocol: "Check that the URL points at the store itself",
  auth: "Check the store's password or token",
  quota: "The store's plan or connection limit is used up",
  not_ready: "The store is starting or failing over; try again",
};

/**
 * Makes the error for a store that cannot serve: code `store_unavailable`, status 503.
 *
 * @param message what happened, without secrets and without full paths
 * @param reason the word for machines, in `details.reason`
 * @param cause the error behind it; only where it carries no secret
 */
export function storeUnavailable(
  message: string,
  reason: StoreTrouble,
  cause?: unknown,
): SynthError {
  const hint = HINTS[reason];
  return new SynthError(message, {
    code: "store_unavailable",
    status: 503,
    details: { reason },
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  });
}
