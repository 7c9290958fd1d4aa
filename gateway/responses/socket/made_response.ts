/** Responses that nobody stores. @module */
import type { InputItem } from "@synth/core/api";
import type { ItemSecrets } from "../../bridge/items/item_secret.ts";
import type { Storing } from "../storing.ts";

/** A response that is made. */
export interface MadeResponse {
  readonly id: string;
  readonly status: string;
  readonly output: readonly InputItem[];
  /** What the client is not shown of its items. */
  readonly secrets: ItemSecrets;
}

/** Gives what would not be stored to who wants to know of it. */
export function orRemembered(
  stored: Storing,
  onUnstored: ((response: MadeResponse) => void) | undefined,
): Storing {
  if (onUnstored === undefined || stored.wanted) return stored;
  return {
    ...stored,
    remembers: true,
    keep({ id, status, output }, _session, secrets = new Map(), passed = null) {
      const items = output as unknown as InputItem[];
      onUnstored({ id, status, secrets, output: passed === null ? items : items.filter(isWhole) });
      return Promise.resolve();
    },
  };
}

/** An upstream would look up reasoning that is not sealed, and not find it. */
function isWhole(item: InputItem): boolean {
  return item.type !== "reasoning" || Boolean(item.encrypted_content);
}
