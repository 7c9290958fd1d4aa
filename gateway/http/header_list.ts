/** Names that come from the request, as the value of a header: only what one can carry, and not too many of them. */
export function headerList(names: readonly string[]): string {
  return names.filter((name) => /^[\x21-\x7e]{1,128}$/.test(name)).slice(0, 32).join(", ");
}
