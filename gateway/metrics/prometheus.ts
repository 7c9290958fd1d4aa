/**
 * Counters, gauges and histograms as plain numbers, and their text for Prometheus (format 0.0.4).
 *
 * ```ts
 * import { Registry } from "./prometheus.ts";
 *
 * const registry = new Registry();
 * const served = registry.counter("served_total", "Requests that were served", ["model"]);
 * served.cell("gpt-oss").value++;
 * console.log(registry.text());
 * ```
 *
 * @module
 */

/** One number of a family. Whoever counts keeps the cell: adding to it is all that a request costs. */
export interface Cell {
  value: number;
}

/** One histogram of a family. */
export interface HistogramCell {
  /** Counts one value. One that is not a number is left out. */
  observe(value: number): void;
  /** How many values there were. */
  readonly count: number;
  readonly sum: number;
}

/** Cells that differ in their labels. */
export interface Family<T> {
  /** The cell with these values, in the order of the family's label names; made when it is not there yet. */
  cell(...values: string[]): T;
  /** All cells, with their values. */
  cells(): Iterable<readonly [readonly string[], T]>;
}

/** What {@linkcode Registry.text} has as its Content-Type. */
export const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Families in the order in which they were made. */
export class Registry {
  readonly #families: Printed[] = [];

  /** Numbers that only grow. The name ends in `_total`. */
  counter(name: string, help: string, labels: readonly string[] = []): Family<Cell> {
    return this.#add(new Cells<Cell>(name, help, "counter", labels, newCell, printCell));
  }

  /** Numbers that go up and down, asked for when the text is made. `null`: not known here, and left out. */
  gauge(name: string, help: string, read: () => number | null): void {
    this.#families.push({
      print: (lines) => {
        const value = read();
        if (value === null) return;
        head(lines, name, help, "gauge");
        lines.push(`${name} ${number(value)}`);
      },
    });
  }

  /** A gauge that is 1 and whose labels say something. */
  info(name: string, help: string, labels: Readonly<Record<string, string>>): void {
    const text = labelText(Object.keys(labels), Object.values(labels));
    this.#families.push({
      print: (lines) => {
        head(lines, name, help, "gauge");
        lines.push(`${name}{${text}} 1`);
      },
    });
  }

  /** How values are spread. @param bounds the upper ends of the buckets, ascending, without infinity */
  histogram(
    name: string,
    help: string,
    bounds: readonly number[],
    labels: readonly string[] = [],
  ): Family<HistogramCell> {
    const make = (): Histogram => new Histogram(bounds);
    return this.#add(new Cells<Histogram>(name, help, "histogram", labels, make, printHistogram));
  }

  /** All families as Prometheus reads them. */
  text(): string {
    const lines: string[] = [];
    for (const family of this.#families) family.print(lines);
    return `${lines.join("\n")}\n`;
  }

  #add<F extends Printed>(family: F): F {
    this.#families.push(family);
    return family;
  }
}

interface Printed {
  print(lines: string[]): void;
}

class Cells<T> implements Family<T>, Printed {
  readonly #name: string;
  readonly #help: string;
  readonly #type: string;
  readonly #labels: readonly string[];
  readonly #make: () => T;
  readonly #print: (lines: string[], name: string, labels: string, cell: T) => void;
  readonly #cells: Map<string, readonly [readonly string[], T]> = new Map();

  constructor(
    name: string,
    help: string,
    type: string,
    labels: readonly string[],
    make: () => T,
    print: (lines: string[], name: string, labels: string, cell: T) => void,
  ) {
    this.#name = name;
    this.#help = help;
    this.#type = type;
    this.#labels = labels;
    this.#make = make;
    this.#print = print;
    // What has no labels is there from the beginning: a counter that appears with its first event loses that event to rate().
    if (labels.length === 0) this.cell();
  }

  cell(...values: string[]): T {
    const key = JSON.stringify(values);
    const known = this.#cells.get(key);
    if (known !== undefined) return known[1];
    const made = this.#make();
    this.#cells.set(key, [values, made]);
    return made;
  }

  cells(): Iterable<readonly [readonly string[], T]> {
    return this.#cells.values();
  }

  print(lines: string[]): void {
    if (this.#cells.size === 0) return;
    head(lines, this.#name, this.#help, this.#type);
    for (const [values, cell] of this.#cells.values()) {
      this.#print(lines, this.#name, labelText(this.#labels, values), cell);
    }
  }
}

class Histogram implements HistogramCell {
  readonly bounds: readonly number[];
  /** By bucket, not yet summed up; the last is beyond all bounds. */
  readonly counts: number[];
  count = 0;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    if (Number.isNaN(value)) return;
    let at = 0;
    while (at < this.bounds.length && value > (this.bounds[at] ?? Infinity)) at++;
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.count++;
    this.sum += value;
  }
}

function newCell(): Cell {
  return { value: 0 };
}

function printCell(lines: string[], name: string, labels: string, cell: Cell): void {
  lines.push(`${name}${braced(labels)} ${number(cell.value)}`);
}

function printHistogram(lines: string[], name: string, labels: string, cell: Histogram): void {
  const before = labels === "" ? "" : `${labels},`;
  let sum = 0;
  for (const [i, bound] of cell.bounds.entries()) {
    sum += cell.counts[i] ?? 0;
    lines.push(`${name}_bucket{${before}le="${number(bound)}"} ${sum}`);
  }
  lines.push(`${name}_bucket{${before}le="+Inf"} ${cell.count}`);
  lines.push(`${name}_sum${braced(labels)} ${number(cell.sum)}`);
  lines.push(`${name}_count${braced(labels)} ${cell.count}`);
}

function head(lines: string[], name: string, help: string, type: string): void {
  lines.push(`# HELP ${name} ${help.replace(/[\\\n]/g, escaped)}`, `# TYPE ${name} ${type}`);
}

function labelText(names: readonly string[], values: readonly string[]): string {
  return names.map((name, i) => `${name}="${(values[i] ?? "").replace(/[\\\n"]/g, escaped)}"`)
    .join(",");
}

function braced(labels: string): string {
  return labels === "" ? "" : `{${labels}}`;
}

function escaped(char: string): string {
  return char === "\n" ? "\\n" : `\\${char}`;
}

function number(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}
