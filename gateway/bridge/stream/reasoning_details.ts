/** `reasoning_details` of one reasoning item, put together from their fragments. @module */
import type { Json } from "@synth/core";

type Detail = { [key: string]: Json };

const GROWING = ["text", "summary", "data"] as const;

/** Collects details; fragments of one detail (same `index` and `type`) become one again. */
export class ReasoningDetails {
  readonly list: Detail[] = [];

  push(detail: Detail): void {
    const last = this.list.at(-1);
    const continues = last !== undefined && detail.index !== undefined &&
      last.index === detail.index && last.type === detail.type;
    if (!continues) {
      this.list.push({ ...detail });
      return;
    }
    for (const [key, value] of Object.entries(detail)) {
      if (value === null || key === "__proto__") continue;
      const before = last[key];
      const grows = (GROWING as readonly string[]).includes(key) && typeof before === "string" &&
        typeof value === "string";
      last[key] = grows ? before + value : value;
    }
  }
}
