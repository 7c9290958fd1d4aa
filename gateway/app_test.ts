import { assert, assertEquals } from "@std/assert";
import { createApp, createFetch, ROUTES, type Runner } from "./app.ts";
import type { Route } from "./services.ts";

Deno.test("createFetch finds for every path without parameters what the router finds", async () => {
  const found: unknown[] = [];
  const run: Runner = (route, _request, params) => {
    found.push([route, params]);
    return Promise.resolve(new Response());
  };
  const direct = createFetch(run);
  const app = createApp(run);
  const others = ["/", "/health?a=b", "/v1/responses/", "/v1/nothing", "/v1/responses/resp_1"];
  const paths = [...ROUTES.flatMap((route: Route) => route.paths), ...others];
  assert(paths.includes("/v1/responses"));
  for (const path of paths.filter((path) => !/[:*{]/.test(path))) {
    for (const method of ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]) {
      const request = (): Request => new Request(`http://127.0.0.1:8080${path}?x=/y`, { method });
      found.length = 0;
      await direct(request(), {});
      await app.fetch(request(), {});
      assertEquals(found.length, 2, `${method} ${path}`);
      assertEquals(found[0], found[1], `${method} ${path}`);
    }
  }
});
