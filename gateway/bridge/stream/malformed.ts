import type { ResponseError } from "../response_object.ts";
import { serverError } from "./terminal.ts";

/** More values that are no event than this are no accident. */
const MAX_MALFORMED = 100;

/** Counts what is no event: a stream of nothing else must not be read for ever. */
export class Malformed {
  #count = 0;

  /** One more. @returns the error to end with, once there is too much of it */
  add(): ResponseError | null {
    return ++this.#count > MAX_MALFORMED
      ? serverError("The upstream sent something that is no stream")
      : null;
  }
}
