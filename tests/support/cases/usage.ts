/** Where and how the usage is told. @module */
import { finish, stream, text, usage, usageOf } from "../chat_replies.ts";
import { fixed, HELLO, type ScriptedCase } from "./scripted_case.ts";

/** Cases, by name. */
export const USAGE_CASES: [string, ScriptedCase][] = [
  [
    "usage-never",
    fixed(
      { status: "completed", output: ["message:Hello"] },
      stream(
        text("Hello"),
        finish("stop"),
      ),
    ),
  ],
  [
    "usage-in-finish",
    fixed(
      HELLO,
      stream({ ...text("Hello"), usage: null }, {
        ...finish("stop"),
        usage: usageOf(11, 7, 3, 2),
      }),
    ),
  ],
  [
    "usage-every-chunk",
    fixed(
      HELLO,
      stream(
        { ...text("Hel"), usage: usageOf(11, 1, 3, 0) },
        { ...text("lo"), usage: usageOf(11, 4, 3, 1) },
        { ...finish("stop"), usage: usageOf(11, 7, 3, 2) },
      ),
    ),
  ],
  [
    "usage-groq",
    fixed(
      HELLO,
      stream(text("Hello"), { ...finish("stop"), x_groq: { usage: usageOf(11, 7, 3, 2) } }),
    ),
  ],
  [
    "usage-partial",
    fixed(
      { ...HELLO, usage: [11, 7, 0, 0] },
      stream(text("Hello"), finish("stop"), {
        ...usage(),
        usage: { prompt_tokens: 11, completion_tokens: 7 },
      }),
    ),
  ],
  [
    "usage-excludes-reasoning",
    fixed(
      { ...HELLO, usage: [307, 253, 0, 227] },
      stream(text("Hello"), finish("stop"), {
        ...usage(),
        usage: {
          prompt_tokens: 307,
          completion_tokens: 26,
          total_tokens: 560,
          completion_tokens_details: { reasoning_tokens: 227 },
        },
      }),
    ),
  ],
];
