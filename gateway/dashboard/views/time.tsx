/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
/** A moment, to people and to machines. @module */
import type { JSX } from "hono/jsx/jsx-runtime";
import { timeText } from "./format.ts";

/** In UTC, as the column says. */
export function Time({ at }: { at: number }): JSX.Element {
  const [date, time] = timeText(at).split(" ");
  return (
    <time datetime={new Date(at).toISOString()}>
      <span>{date}</span> <span>{time}</span>
    </time>
  );
}
