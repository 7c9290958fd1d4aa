/** OpenTelemetry as an operator turns it on: a gateway of its own with `OTEL_DENO=true`, and a collector that speaks OTLP/HTTP. */
import { assert, assertEquals, assertFalse } from "@std/assert";
import { finish, httpError, stream, text, usage } from "./support/chat_replies.ts";
import { scriptedConfig, startGatewayProcess } from "./support/gateway_process.ts";
import { startUpstream } from "./support/scripted_upstream.ts";

const TRACE = "4d59b822194918c2c45eeb8f9b06c556";
const PARENT = "c785f154f344d582";
const PROMPT = "canary of the prompt";
const ANSWER = "canary of the answer";

interface Attribute {
  readonly key: string;
  readonly value: {
    readonly stringValue?: string;
    readonly intValue?: string | number;
    readonly doubleValue?: number;
    readonly boolValue?: boolean;
  };
}

interface OtlpSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly status?: { readonly code?: number };
  readonly attributes: readonly Attribute[];
}

interface OtlpMetric {
  readonly name: string;
  readonly unit?: string;
  readonly histogram?: {
    readonly dataPoints: readonly {
      readonly attributes: readonly Attribute[];
      readonly count: string | number;
      readonly sum: number;
    }[];
  };
}

/** Takes OTLP as JSON, and keeps it. */
function startCollector() {
  const spans: OtlpSpan[] = [];
  const metrics: OtlpMetric[] = [];
  const bodies: string[] = [];
  let waiting: (() => void)[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const body = await request.text();
    bodies.push(body);
    const data = JSON.parse(body);
    for (const resource of data.resourceSpans ?? []) {
      for (const scope of resource.scopeSpans) spans.push(...scope.spans);
    }
    for (const resource of data.resourceMetrics ?? []) {
      for (const scope of resource.scopeMetrics) metrics.push(...scope.metrics);
    }
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
    return Response.json({});
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    bodies,
    metrics,
    spans,
    /** Waits until something is there. */
    async until<T>(find: () => T | undefined): Promise<T> {
      while (true) {
        const found = find();
        if (found !== undefined) return found;
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function attributesOf({ attributes }: { attributes: readonly Attribute[] }) {
  return Object.fromEntries(attributes.map(({ key, value }) => {
    const { stringValue, intValue, doubleValue, boolValue } = value;
    return [
      key,
      stringValue ?? (intValue === undefined ? doubleValue ?? boolValue : Number(intValue)),
    ];
  }));
}

Deno.test("a gateway with OTEL_DENO sends spans and measurements by the GenAI names, and no content", async () => {
  await using collector = startCollector();
  await using upstream = await startUpstream();
  const config = scriptedConfig(upstream.baseUrl).replace(
    "[models.",
    "send_traceparent = true\n[models.",
  );
  const env = {
    OTEL_DENO: "true",
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_SERVICE_NAME: "synth",
    OTEL_BSP_SCHEDULE_DELAY: "50",
  };
  let apiKey: string;
  {
    await using gateway = await startGatewayProcess({ config, env });
    const ask = async (body: unknown, headers: Record<string, string> = {}) => {
      const answer = await fetch(`${gateway.origin}/v1/responses`, {
        method: "POST",
        headers: { authorization: `Bearer ${gateway.apiKey}`, ...headers },
        body: JSON.stringify(body),
      });
      return await answer.text();
    };
    upstream.enqueue(stream(text(ANSWER), finish("stop"), usage(11, 7, 3, 2)));
    await ask(
      { model: "synth-small", input: PROMPT, stream: true },
      { traceparent: `00-${TRACE}-${PARENT}-01`, "x-request-id": "asked-1" },
    );
    const sent = (await upstream.request(0)).headers;
    upstream.enqueue(httpError(400, "No"));
    await ask({ model: "synth-small", input: PROMPT });
    const call = await collector.until(() =>
      collector.spans.find(({ name, traceId }) => name === "chat synth-small" && traceId === TRACE)
    );
    const server = await collector.until(() =>
      collector.spans.find(({ spanId }) => spanId === call.parentSpanId)
    );
    assertEquals([server.traceId, server.parentSpanId], [TRACE, PARENT]);
    assertEquals(server.name, "POST /v1/responses");
    assertEquals(attributesOf(server)["synth.request_id"], "asked-1");
    assertEquals(call.kind, 3);
    const attributes = attributesOf(call);
    assertEquals(attributes["gen_ai.operation.name"], "chat");
    assertEquals(attributes["gen_ai.provider.name"], "scripted");
    assertEquals(attributes["gen_ai.request.model"], "synth-small");
    assertEquals(attributes["gen_ai.usage.input_tokens"], 11);
    assertEquals(attributes["gen_ai.usage.output_tokens"], 7);
    assertEquals(attributes["server.address"], "127.0.0.1");
    assertEquals(attributes["synth.outcome"], "completed");
    assertEquals(sent.get("traceparent"), `00-${TRACE}-${call.spanId}-01`);
    const failed = await collector.until(() =>
      collector.spans.find(({ name, traceId }) => name === "chat synth-small" && traceId !== TRACE)
    );
    assertEquals([failed.status?.code, attributesOf(failed)["error.type"]], [
      2,
      "upstream_rejected",
    ]);
    apiKey = gateway.apiKey;
  }
  // Deno sends what it has measured when the process ends.
  const measured = (name: string): OtlpMetric => {
    const found = collector.metrics.findLast((metric) => metric.name === name);
    assert(found !== undefined, `${name} was not sent`);
    return found;
  };
  const tokens = measured("gen_ai.client.token.usage");
  assertEquals(tokens.unit, "{token}");
  const points = tokens.histogram!.dataPoints.map((point) => [
    attributesOf(point)["gen_ai.token.type"],
    point.sum,
  ]);
  assertEquals(Object.fromEntries(points), { input: 11, output: 7 });
  assertEquals(measured("gen_ai.client.operation.duration").unit, "s");
  assertEquals(measured("gen_ai.server.time_to_first_token").unit, "s");
  const all = collector.bodies.join("\n");
  for (const secret of [PROMPT, ANSWER, apiKey]) assertFalse(all.includes(secret));
});

Deno.test("a gateway passes no traceparent on unless the upstream is to have one", async () => {
  await using upstream = await startUpstream({ reply: () => stream(text("a"), finish("stop")) });
  const traceparent = `00-${TRACE}-${PARENT}-01`;
  for (const [setting, wanted] of [["", null], ["send_traceparent = true\n", traceparent]]) {
    const config = scriptedConfig(upstream.baseUrl).replace("[models.", `${setting}[models.`);
    await using gateway = await startGatewayProcess({ config });
    const n = upstream.requests.length;
    for (const header of [traceparent, "00-nonsense"]) {
      const answer = await fetch(`${gateway.origin}/v1/responses`, {
        method: "POST",
        headers: { authorization: `Bearer ${gateway.apiKey}`, traceparent: header },
        body: JSON.stringify({ model: "synth-small", input: "Hi" }),
      });
      assertEquals(answer.status, 200);
      await answer.body?.cancel();
    }
    const seen = upstream.requests.slice(n).map(({ headers }) => headers.get("traceparent"));
    assertEquals(seen, [wanted, null]);
  }
});
