/**
 * Writes `data/utterances.jsonl` from templates.ts; the same file each time. Run it after a change of the templates.
 *
 * @module
 */
import { CLOSERS, OPENERS, SLOTS, TEMPLATES } from "./templates.ts";

/** Rows that each sentence makes. */
const PER_TEMPLATE = 3;
const SPLITS = [["train", 6], ["val", 2], ["test", 2]] as const;

interface Row {
  readonly id: string;
  readonly split: string;
  readonly text: string;
  readonly label: string;
}

/** All rows as JSON lines. In each split the intents take turns, so that any run of seeds is balanced. */
export function generate(): string {
  const random = randomFrom(20_251_122);
  const seen = new Set<string>();
  const rows: Row[] = [];
  let first = 0;
  for (const [split, count] of SPLITS) {
    const perIntent = Object.entries(TEMPLATES).map(([label, all]) => {
      const sentences = all.slice(first, first + count);
      const texts = sentences.flatMap((sentence) =>
        Array.from({ length: PER_TEMPLATE }, () => unseen(sentence, random, seen))
      );
      return { label, texts: shuffled(texts, random) };
    });
    for (let turn = 0; turn < count * PER_TEMPLATE; turn++) {
      for (const { label, texts } of shuffled(perIntent, random)) {
        const number = String(rows.filter((row) => row.split === split).length).padStart(3, "0");
        rows.push({ id: `${split}-${number}`, split, text: texts[turn] ?? "", label });
      }
    }
    first += count;
  }
  return rows.map((row) => JSON.stringify(row) + "\n").join("");
}

function unseen(sentence: string, random: () => number, seen: Set<string>): string {
  for (let tries = 0; tries < 1000; tries++) {
    const text = utterance(sentence, random);
    // What differs in marks alone is the same text.
    const key = text.toLowerCase().replace(/[^a-z0-9]+/g, " ").trim();
    if (seen.has(key)) continue;
    seen.add(key);
    return text;
  }
  throw new Error(`There are not enough ways to write: ${sentence}`);
}

function utterance(sentence: string, random: () => number): string {
  const body = sentence.replace(/\{([a-z]+)2?\}/g, (_, name) => pick(SLOTS[name] ?? [], random));
  const opener = pick(OPENERS, random);
  const closer = pick(CLOSERS, random);
  const text = opener + (/[.!] $|^$/.test(opener) ? capital(body) : body) + closer;
  const dice = random();
  if (dice < 0.2) return text.toLowerCase();
  return dice < 0.4 ? withTypo(text, random) : text;
}

/** Two neighbours change places, or a letter is missing, in a word of at least six letters. */
function withTypo(text: string, random: () => number): string {
  const words = [...text.matchAll(/[A-Za-z]{6,}/g)];
  const word = words[Math.floor(random() * words.length)];
  if (word === undefined) return text;
  const at = word.index + 1 + Math.floor(random() * (word[0].length - 3));
  const [a = "", b = ""] = text.slice(at, at + 2);
  return text.slice(0, at) + (random() < 0.5 ? b + a : b) + text.slice(at + 2);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function pick<T>(list: readonly T[], random: () => number): T {
  const chosen = list[Math.floor(random() * list.length)];
  if (chosen === undefined) throw new Error("A slot has no values");
  return chosen;
}

function shuffled<T>(list: readonly T[], random: () => number): T[] {
  return list.map((item) => [random(), item] as const).sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

/** A linear congruential generator of 32 bits: what it gives is the same on every machine. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

if (import.meta.main) {
  await Deno.writeTextFile(new URL("data/utterances.jsonl", import.meta.url), generate());
}
