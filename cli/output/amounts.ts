/** Amounts, times and durations as people read and write them. @module */
import type { WireMetric } from "@synth/core/api";

/** `$1.25`, and as many decimals as a small amount needs. */
export function usd(value: number): string {
  if (value === 0 || Math.abs(value) >= 1) return `$${grouped(value, 2)}`;
  return `$${value.toFixed(Math.abs(value) >= 0.01 ? 4 : 6)}`;
}

/** `1,234,567` */
export function count(value: number): string {
  return grouped(value, 0);
}

/** An amount with its unit. */
export function amount(metric: WireMetric, value: number): string {
  switch (metric) {
    case "cost_usd":
      return usd(value);
    case "gpu_hours":
      return `${value.toFixed(4)} h`;
    case "tokens":
    case "api_calls":
      return count(value);
  }
}

/** What a metric is called. */
export const METRIC_NAMES: Readonly<Record<WireMetric, string>> = {
  cost_usd: "cost",
  tokens: "tokens",
  gpu_hours: "GPU hours",
  api_calls: "API calls",
};

/** `2026-11-22 01:02:03` in UTC; `-` for none. */
export function time(iso: string | null): string {
  return iso === null ? "-" : iso.slice(0, 19).replace("T", " ");
}

const SECONDS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["s", 1],
  ["m", 60],
  ["h", 3600],
  ["d", 86_400],
]);

/** Seconds of `90`, `90s`, `30m`, `24h`, `7d`. @throws {Error} */
export function parseDuration(text: string): number {
  const found = /^([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhd]?)$/.exec(text.trim());
  const seconds = Number(found?.[1]) * (SECONDS.get(found?.[2] ?? "") ?? NaN);
  if (Number.isFinite(seconds) && seconds > 0) return seconds;
  throw new Error("write a time as 90s, 30m, 24h or 7d");
}

/** A decimal that is not negative, kept as it is written. @throws {Error} */
export function parseAmount(text: string): string {
  if (/^[0-9]{1,16}(?:\.[0-9]{1,9})?$/.test(text)) return text;
  throw new Error("write a number that is not negative, such as 2.50");
}

/** A whole number that is not negative, kept as it is written. @throws {Error} */
export function parseCount(text: string): string {
  if (/^[0-9]{1,16}$/.test(text)) return text;
  throw new Error("write a whole number that is not negative");
}

/** How many to list: 1 to 1000, as the gateway has it. @throws {Error} */
export function parsePageSize(text: string): number {
  const value = /^[0-9]{1,4}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= 1000) return value;
  throw new Error("write a whole number from 1 to 1000");
}

function grouped(value: number, digits: number): string {
  return value.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
