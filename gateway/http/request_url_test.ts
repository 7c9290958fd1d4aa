import { assertEquals } from "@std/assert";
import { requestUrl } from "./request_url.ts";

/** What Deno makes of a `Host` that is no name. */
function withAddress(url: string): Request {
  return { url } as Request;
}

Deno.test("requestUrl keeps path and query, whatever the Host is", () => {
  const seen = [
    "http://gateway.test:81/a?b=c",
    "http://a b/a//b?limit=1&x=http://y",
    "http://[/",
    "http://%/",
    "http://",
  ].map((url) => requestUrl(withAddress(url)).href);
  assertEquals(seen, [
    "http://gateway.test:81/a?b=c",
    "http://host.invalid/a//b?limit=1&x=http://y",
    "http://host.invalid/",
    "http://host.invalid/",
    "http://host.invalid/",
  ]);
});
