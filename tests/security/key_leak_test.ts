/** What `tests/gateway_secrets_test.ts` shows of logs and answers, for metrics and error objects (litellm#37391, envoyproxy/ai-gateway#2436). */
import { assert, assertFalse } from "@std/assert";
import { ROUTES } from "../../gateway/app.ts";
import { httpError } from "../support/chat_replies.ts";
import { FULL_ORIGIN, startFullGateway } from "../support/full_gateway.ts";
import { serveRaw } from "../support/raw_http.ts";
import { ImpatientClock } from "../support/test_gateway.ts";

const UPSTREAM_KEY = "up-key-canary-4410";

Deno.test("metrics and logs hold nothing of keys, paths, queries, bodies, orgs and sessions, on any route, failing or not", async () => {
  await using upstream = await serveRaw(() => httpError(400, `canary-words ${UPSTREAM_KEY}`));
  await using it = await startFullGateway({
    baseUrl: `http://127.0.0.1:${upstream.port}/v1`,
    upstream: { api_key_env: "K" },
    secrets: { env: (name) => name === "K" ? UPSTREAM_KEY : undefined },
    clock: new ImpatientClock(),
  });
  const { key, record } = await it.key("canary-org");
  for (const { method, paths } of ROUTES) {
    const path = (paths[0] ?? "").replace(/:\w+(?:\{[^/]*\})?/g, "canary-id");
    for (
      const body of [
        '{"canary-broken',
        '{"model":"up-m","input":"canary-input"}',
        '{"canary-field":1}',
        '{"model":"canary-model","input":"x"}',
      ]
    ) {
      for (const shown of [key, "canary-wrong-key"]) {
        const request = new Request(`${FULL_ORIGIN}${path}?api_key=canary-query`, {
          method,
          headers: {
            authorization: `Bearer ${shown}`,
            "content-type": "application/json",
            "x-request-id": "x",
            "user-agent": "canary-agent",
            cookie: "canary=1",
          },
          ...(method === "GET" ? {} : { body }),
        });
        const answer = await it.gateway.fetch(request);
        const text = answer.headers.get("content-type")?.includes("event-stream")
          ? (await answer.body?.cancel(), "")
          : await answer.text();
        for (const secret of [UPSTREAM_KEY, "canary-wrong-key", "canary-broken"]) {
          assertFalse(text.includes(secret), `${method} ${path}: ${secret}`);
        }
      }
    }
  }
  const metrics = await it.gateway.fetch(new Request(`${FULL_ORIGIN}/metrics`), {
    peer: () => "127.0.0.1",
  });
  const counted = await metrics.text();
  assert(counted.includes("synth_"), "there are metrics");
  for (const secret of ["canary", key, record.keyId, record.hash, "sess_"]) {
    assertFalse(counted.includes(secret), `metrics: ${secret}`);
  }
  const log = it.lines.join("\n").replaceAll('"org":"canary-org"', "");
  const leaked = /[^"\s]*canary[^"\s]*/.exec(log.replaceAll('"model":"canary-model"', ""))?.[0];
  assert(leaked === undefined, `the log has ${leaked}`);
  for (const secret of [key, record.hash, UPSTREAM_KEY]) assertFalse(log.includes(secret));
});
