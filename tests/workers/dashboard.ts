/** The dashboard of the bundled Worker in real workerd: signs in, shows, feeds, ends a session. Run by `deno task test:workers`. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { openSession } from "../support/budget_gateways.ts";
import { edgeEnvironment, startWorkers } from "../support/edge.ts";
import { startRedis } from "../support/redis_server.ts";
import { startUpstashProxy } from "../support/upstash_proxy.ts";

Deno.test("worker serves the dashboard, and its feed ends and can be opened again", async () => {
  await using redis = await startRedis();
  await using proxy = await startUpstashProxy(redis.url);
  await using worker = await startWorkers(edgeEnvironment("[gateway]\n", proxy));
  const origin = worker.origins[0] ?? "";
  const session = await openSession(worker, { tokens: 1000 });
  const send = (path: string, cookie: string, form?: Record<string, string>): Promise<Response> =>
    fetch(origin + path, {
      redirect: "manual",
      headers: { cookie, origin },
      ...(form === undefined ? {} : { method: "POST", body: new URLSearchParams(form) }),
    });
  const cookieOf = (response: Response, name: string): string =>
    response.headers.getSetCookie().find((one) => one.startsWith(`${name}=`))?.split(";")[0] ?? "";
  const tokenOf = (html: string): string =>
    /name="form_token" value="([0-9a-f]{64})"/.exec(html)?.[1] ?? "";

  const first = await send("/dashboard", "");
  const key = worker.headers.authorization.slice("Bearer ".length);
  const signedIn = await send("/dashboard/session", cookieOf(first, "synth_dashboard_form"), {
    key,
    form_token: tokenOf(await first.text()),
  });
  assertEquals(signedIn.status, 303);
  await signedIn.body?.cancel();
  const cookie = cookieOf(signedIn, "synth_dashboard");
  assertMatch(cookie, /^synth_dashboard=[A-Za-z0-9_-]{43}$/);

  const page = await (await send("/dashboard", cookie)).text();
  assertStringIncludes(page, session);
  for (let n = 0; n < 2; n++) {
    const feed = await send("/dashboard/events", cookie);
    assertEquals(feed.status, 200);
    const reader = feed.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes(session)) {
      const { value, done } = await reader?.read() ?? { value: undefined, done: true };
      assert(!done, text);
      text += value;
    }
    await reader?.cancel();
  }
  const ended = await send("/dashboard/end-session", cookie, {
    form_token: tokenOf(page),
    session_id: session,
  });
  assertEquals(ended.headers.get("location"), `/dashboard?ended=${session}`);
  await ended.body?.cancel();
  assertStringIncludes(await (await send("/dashboard", cookie)).text(), "Ended");
});
