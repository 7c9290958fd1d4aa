/**
 * A stand-in for `jsr:@std/assert` over `node:assert`, for networks without JSR. Never published: `links` in the root
 * deno.json points here, and JSR users get the real package. Only what behaves the same on both.
 *
 * @module
 */
import nodeAssert from "node:assert/strict";

/** Thrown when an assertion fails. */
export class AssertionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

// deno-lint-ignore no-explicit-any -- the signature of the real package
type AnyConstructor = abstract new (...args: any[]) => any;

function failure(text: string, message: string | undefined): AssertionError {
  return new AssertionError(message ? `${text}: ${message}` : text);
}

function check(run: () => void, message: string | undefined): void {
  try {
    run();
  } catch (error) {
    throw failure(error instanceof Error ? error.message : String(error), message);
  }
}

/** Asserts that `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Asserts that `expr` is falsy. */
export function assertFalse(expr: unknown, msg = ""): asserts expr is false | 0 | "" | null {
  if (expr) throw new AssertionError(msg || "Expected a falsy value");
}

/** Asserts deep equality. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  check(() => nodeAssert.deepStrictEqual(actual, expected), msg);
}

/** Asserts deep inequality. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  check(() => nodeAssert.notDeepStrictEqual(actual, expected), msg);
}

/** Asserts `Object.is`. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  check(() => nodeAssert.strictEqual(actual, expected), msg);
}

/** Asserts that two values are not the same. */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void {
  check(() => nodeAssert.notStrictEqual(actual, expected), msg);
}

/** Asserts that a value is neither null nor undefined. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) {
    throw failure(`Expected a value, got ${actual}`, msg);
  }
}

/** Asserts that `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (!actual.includes(expected)) {
    throw failure(`Expected ${JSON.stringify(actual)} to include ${JSON.stringify(expected)}`, msg);
  }
}

/** Asserts that `actual` matches `expected`. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (!expected.test(actual)) {
    throw failure(`Expected ${JSON.stringify(actual)} to match ${expected}`, msg);
  }
}

/** Asserts that `actual` does not match `expected`. */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void {
  if (expected.test(actual)) {
    throw failure(`Expected ${JSON.stringify(actual)} not to match ${expected}`, msg);
  }
}

/** Asserts `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) throw failure(`Expected ${actual} > ${expected}`, msg);
}

/** Asserts `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual >= expected)) throw failure(`Expected ${actual} >= ${expected}`, msg);
}

/** Asserts `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) throw failure(`Expected ${actual} < ${expected}`, msg);
}

/** Asserts `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual <= expected)) throw failure(`Expected ${actual} <= ${expected}`, msg);
}

/** Asserts that every element of `expected` stands in `actual`. */
export function assertArrayIncludes<T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  msg?: string,
): void {
  const have = Array.from(actual);
  for (const item of Array.from(expected)) {
    const found = have.some((candidate) => {
      try {
        nodeAssert.deepStrictEqual(candidate, item);
        return true;
      } catch {
        return false;
      }
    });
    if (!found) throw failure(`Expected the array to include ${JSON.stringify(item)}`, msg);
  }
}

/** Asserts that `actual` is an instance of `expectedType`. */
export function assertInstanceOf<T extends AnyConstructor>(
  actual: unknown,
  expectedType: T,
  msg?: string,
): asserts actual is InstanceType<T> {
  if (!(actual instanceof expectedType)) {
    throw failure(`Expected an instance of ${expectedType.name}`, msg);
  }
}

/** Asserts that `expected` is a deep subset of `actual`. */
export function assertObjectMatch(
  // deno-lint-ignore no-explicit-any -- the signature of the real package
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void {
  check(() => nodeAssert.deepStrictEqual(project(actual, expected), expected), msg);
}

function project(actual: unknown, shape: unknown): unknown {
  if (Array.isArray(shape) && Array.isArray(actual)) {
    return actual.length === shape.length
      ? actual.map((item, i) => project(item, shape[i]))
      : actual;
  }
  if (isRecord(shape) && isRecord(actual)) {
    const out: Record<string, unknown> = {};
    for (const key of Object.keys(shape)) {
      if (key in actual) out[key] = project(actual[key], shape[key]);
    }
    return out;
  }
  return actual;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null &&
    (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null);
}

/** Fails. */
export function fail(msg?: string): never {
  throw new AssertionError(`Failed assertion${msg ? `: ${msg}` : "."}`);
}

/** Asserts that `fn` throws; returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Asserts that `fn` throws an instance of `ErrorClass`. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any -- the signature of the real package
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  second?: AnyConstructor | string,
  third?: string,
  fourth?: string,
): unknown {
  const [type, includes, msg] = typeof second === "string"
    ? [undefined, undefined, second]
    : [second, third, fourth];
  try {
    fn();
  } catch (error) {
    return checkThrown(error, type, includes, msg);
  }
  throw failure("Expected function to throw", msg);
}

/** Asserts that the promise of `fn` rejects; resolves to the reason. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Asserts that the promise of `fn` rejects with an instance of `ErrorClass`. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any -- the signature of the real package
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  second?: AnyConstructor | string,
  third?: string,
  fourth?: string,
): Promise<unknown> {
  const [type, includes, msg] = typeof second === "string"
    ? [undefined, undefined, second]
    : [second, third, fourth];
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch {
    throw failure("Function throws when expected to reject", msg);
  }
  try {
    await promise;
  } catch (error) {
    return checkThrown(error, type, includes, msg);
  }
  throw failure("Expected function to reject", msg);
}

function checkThrown(
  error: unknown,
  type: AnyConstructor | undefined,
  includes: string | undefined,
  msg: string | undefined,
): unknown {
  if (type !== undefined && !(error instanceof type)) {
    throw failure(
      `Expected error to be instance of "${type.name}", but was "${String(error)}"`,
      msg,
    );
  }
  if (includes !== undefined && !(error instanceof Error && error.message.includes(includes))) {
    throw failure(
      `Expected error message to include ${JSON.stringify(includes)}, but got "${String(error)}"`,
      msg,
    );
  }
  return error;
}
