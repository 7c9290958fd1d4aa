import { assert, assertEquals, assertFalse, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { abortSignalOf, type EndSignal, Lifetime } from "./lifetime.ts";

type Step = { readonly kind: "add" | "remove" | "abort"; readonly n: number };

/** What is called, when listener `n` takes back listener `n + 1` and `abort` is called from within. */
function run(
  steps: readonly Step[],
  signal: EndSignal,
  abort: (reason: unknown) => void,
): string[] {
  const calls: string[] = [];
  const listeners = Array.from({ length: 5 }, (_, n) => (): void => {
    calls.push(`${n} ${signal.aborted} ${signal.reason}`);
    const next = listeners[n + 1];
    if (n % 2 === 0 && next !== undefined) signal.removeEventListener("abort", next);
    if (n === 3) abort("again");
  });
  for (const { kind, n } of steps) {
    const listener = listeners[n];
    if (listener === undefined) continue;
    if (kind === "abort") abort(n);
    else if (kind === "add") signal.addEventListener("abort", listener, { once: true });
    else signal.removeEventListener("abort", listener);
    calls.push(`${signal.aborted}`);
  }
  return calls;
}

Deno.test("Lifetime calls whom an AbortSignal calls", () => {
  const step: fc.Arbitrary<Step> = fc.record({
    kind: fc.constantFrom("add", "add", "remove", "abort"),
    n: fc.nat(4),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
    const real = new AbortController();
    const ours = new Lifetime();
    assertEquals(
      run(steps, ours, (reason) => ours.abort(reason)),
      run(steps, real.signal, (reason) => real.abort(reason)),
    );
  }));
});

Deno.test("Lifetime calls everybody, also behind a listener that throws", () => {
  const life = new Lifetime();
  const calls: string[] = [];
  for (const name of ["a", "b", "c"]) {
    life.addEventListener("abort", () => {
      calls.push(name);
      if (name !== "c") throw new Error(name);
    });
  }
  assertThrows(() => life.abort("why"), Error, "a");
  assertEquals([calls, life.aborted], [["a", "b", "c"], true]);
});

Deno.test("Lifetime.throwIfAborted throws the reason", () => {
  const life = new Lifetime();
  life.throwIfAborted();
  life.abort(new Error("why"));
  assertThrows(() => life.throwIfAborted(), Error, "why");
});

Deno.test("abortSignalOf follows, with the reason, and gives a real signal back", () => {
  const life = new Lifetime();
  const signal = abortSignalOf(life);
  assertFalse(signal.aborted);
  life.abort("why");
  assert(signal.aborted);
  assertEquals([signal.reason, abortSignalOf(life).reason], ["why", "why"]);
  assertStrictEquals(abortSignalOf(signal), signal);
});
