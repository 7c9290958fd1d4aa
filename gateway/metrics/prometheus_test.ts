import { assertEquals } from "@std/assert";
import { Registry } from "./prometheus.ts";

Deno.test("Registry text escapes labels and help and ends every line", () => {
  const registry = new Registry();
  const odd = 'a"b\\c\nd';
  registry.counter("odd_total", `Help \\ with\nlines "and quotes"`, ["x"]).cell(odd).value = 3;
  assertEquals(
    registry.text(),
    `# HELP odd_total Help \\\\ with\\nlines "and quotes"\n# TYPE odd_total counter\n` +
      `odd_total{x="a\\"b\\\\c\\nd"} 3\n`,
  );
});

Deno.test("Registry text shows a histogram as sums of its buckets", () => {
  const registry = new Registry();
  const cell = registry.histogram("h_seconds", "H", [0.1, 1], ["m"]).cell("a");
  for (const value of [0.05, 0.1, 0.5, 1.5, NaN]) cell.observe(value);
  assertEquals(registry.text().split("\n").slice(2, -1), [
    'h_seconds_bucket{m="a",le="0.1"} 2',
    'h_seconds_bucket{m="a",le="1"} 3',
    'h_seconds_bucket{m="a",le="+Inf"} 4',
    'h_seconds_sum{m="a"} 2.15',
    'h_seconds_count{m="a"} 4',
  ]);
});

Deno.test("Registry gauge is asked when the text is made, and left out when it knows nothing", () => {
  const registry = new Registry();
  let value: number | null = null;
  registry.gauge("g", "G", () => value);
  assertEquals(registry.text(), "\n");
  value = Infinity;
  assertEquals(registry.text(), "# HELP g G\n# TYPE g gauge\ng +Inf\n");
});

Deno.test("Registry counter without labels begins at 0, and equal labels share a cell", () => {
  const registry = new Registry();
  const plain = registry.counter("a_total", "A");
  assertEquals(registry.text().split("\n")[2], "a_total 0");
  plain.cell().value++;
  const labelled = registry.counter("b_total", "B", ["x", "y"]);
  labelled.cell("1", "2").value++;
  labelled.cell("1", "2").value++;
  labelled.cell("1,2", "").value++;
  assertEquals([...labelled.cells()].map(([labels, { value }]) => [labels, value]), [
    [["1", "2"], 2],
    [["1,2", ""], 1],
  ]);
});
