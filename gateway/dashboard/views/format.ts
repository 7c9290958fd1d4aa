/** Numbers, times and strangers' names as people read them. @module */
import { formatUsd } from "@synth/core";
import type { Metric } from "../../sessions/limits.ts";

const NAME_LENGTH = 80;
const LINE_ENDS = /[\t-\r\x85\p{Zl}\p{Zp}]+/gu;
/** Control characters, and what turns the direction of text or takes no room; but not what joins two emoji. */
const UNSEEN =
  /(?!(?<=\p{Extended_Pictographic}[\uFE0F\p{Emoji_Modifier}]?)\u200D(?=\p{Extended_Pictographic}))[\p{Cc}\p{Cf}]/gu;

/** An amount in its unit: `$1,234.0012`, `12,345`, `1.5 h`. */
export function amountText(metric: Metric, value: bigint): string {
  if (metric === "cost") return grouped(formatUsd(value));
  if (metric !== "gpu_time") return countText(value);
  return `${grouped(String(Number((Number(value) / 3_600_000).toFixed(4))))} h`;
}

/** Money at a glance: to the cent from a dollar on, to a hundredth of a cent below. Never nothing for something. */
export function roundedCost(nano: bigint): string {
  if (nano > 0n && nano < 50_000n) return "< $0.0001";
  const step = nano < 1_000_000_000n ? 100_000n : 10_000_000n;
  return amountText("cost", (nano + step / 2n) / step * step);
}

/** A number with its thousands apart. */
export function countText(value: bigint | number): string {
  return grouped(String(value));
}

/** Thousands apart before the point. */
function grouped(text: string): string {
  const [whole = "", ...fraction] = text.split(".");
  return [whole.replace(/\B(?=(?:\d{3})+$)/g, ","), ...fraction].join(".");
}

/** `2026-11-22 12:00:05`, UTC. */
export function timeText(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace("T", " ");
}

/**
 * A name that someone else chose, for one line: nothing that moves other text about, and not too long. Escaping is the renderer's.
 */
export function nameText(name: string): string {
  const plain = name.replace(LINE_ENDS, " ").replace(UNSEEN, "\u{FFFD}");
  const letters = [...plain.slice(0, NAME_LENGTH * 4)];
  return letters.length <= NAME_LENGTH
    ? plain
    : `${letters.slice(0, NAME_LENGTH - 1).join("")}\u2026`;
}

/** Share of a whole in percent, 0 to 100, to a tenth. */
export function percent(part: bigint, whole: bigint): number {
  if (part <= 0n) return 0;
  if (whole <= 0n || part >= whole) return 100;
  return Number(part * 1000n / whole) / 10;
}
