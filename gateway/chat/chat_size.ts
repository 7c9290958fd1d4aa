/** How much a Chat request holds, whatever its shape: a bound for the ledger. @module */
import type { TurnPlan } from "../bridge/plan.ts";
import { utf8Length } from "../bridge/stream/utf8_length.ts";

const MEDIA = { image_url: "images", file: "files", input_audio: "audio" } as const;
/** For what separates values in a prompt. */
const BYTES_PER_VALUE = 4;

/** UTF-8 bytes of all keys and texts, media excepted, which are counted. */
export function chatSize(value: unknown): { bytes: number; media: TurnPlan["media"] } {
  const media = { images: 0, files: 0, audio: 0 };
  let bytes = 0;
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    bytes += BYTES_PER_VALUE;
    if (typeof next === "string") bytes += utf8Length(next);
    else if (Array.isArray(next)) { for (const item of next) waiting.push(item); }
    else if (typeof next === "object" && next !== null) {
      const kind = mediaKind(next);
      if (kind !== null) media[kind]++;
      else {
        for (const [key, member] of Object.entries(next)) {
          bytes += utf8Length(key);
          waiting.push(member);
        }
      }
    }
  }
  return { bytes, media };
}

/** A part counts as a medium only when it has the medium's member and no other: text cannot hide in it. */
function mediaKind(part: object): "images" | "files" | "audio" | null {
  const { type } = part as { type?: unknown };
  if (type !== "image_url" && type !== "file" && type !== "input_audio") return null;
  return Object.keys(part).every((key) => key === "type" || key === type) ? MEDIA[type] : null;
}
