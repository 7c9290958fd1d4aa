/** Where no address can be made of the `Host`. */
const NOWHERE = "http://host.invalid";

/**
 * The address of a request. Its `Host` can be anything that a header can: of one that is no name only the path and the query are taken.
 */
export function requestUrl({ url }: Request): URL {
  if (URL.canParse(url)) return new URL(url);
  const path = url.indexOf("/", url.indexOf("://") + 3);
  return new URL(path === -1 ? NOWHERE : NOWHERE + url.slice(path));
}
