/** Sections as they were drawn last: all pages of an org show the same, so they are drawn once and not for each of them. @module */
import { renderSections, type SectionsInput } from "./views/sections.tsx";

/** Milliseconds after which they are drawn anew, since keys expire without a read. */
const MAX_AGE_MS = 10_000;
/** Orgs that are remembered; a section can be 300 KB. */
const MAX_KNOWN = 32;

interface Drawn {
  /** What was read, by identity: a new read gives new objects. */
  readonly parts: readonly unknown[];
  readonly running: string;
  readonly at: number;
  readonly sections: ReadonlyMap<string, string>;
}

/** By org, and by whether the reader is an admin. */
export class DrawnSections {
  readonly #known: Map<string, Drawn> = new Map();

  /** The sections of an org, drawn when anything in them is new. */
  of(org: string, input: SectionsInput): ReadonlyMap<string, string> {
    const { view, admin, running, now } = input;
    const { live, oldSessions, spend, keys, taskApps } = view;
    const parts = [live, oldSessions.length === 0 ? null : oldSessions, spend, keys, taskApps];
    const calls = running.map(({ id }) => id).join(" ");
    const name = JSON.stringify([org, admin]);
    const known = this.#known.get(name);
    if (
      known !== undefined && now - known.at < MAX_AGE_MS && known.running === calls &&
      known.parts.every((part, i) => part === parts[i])
    ) return known.sections;
    const sections = renderSections(input);
    this.#known.delete(name);
    this.#known.set(name, { parts, running: calls, at: now, sections });
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest);
    return sections;
  }
}
