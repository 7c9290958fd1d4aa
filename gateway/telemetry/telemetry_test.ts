import { assertEquals } from "@std/assert";
import { FakeClock } from "@synth/core";
import { type Attributes, type MeterProvider, metrics } from "@opentelemetry/api";
import type { RequestContext } from "../http/request_context.ts";
import type { ResolvedModel } from "../upstreams/model_table.ts";
import { Telemetry } from "./telemetry.ts";

/** Keeps what is measured, by the name of the instrument. Disposing takes it out of the process. */
function record(): { readonly points: [name: string, attributes: Attributes][] } & Disposable {
  const points: [string, Attributes][] = [];
  const createHistogram = (name: string) => ({
    record: (_: number, attributes: Attributes) => void points.push([name, attributes]),
  });
  const provider = { getMeter: () => ({ createHistogram }) } as unknown as MeterProvider;
  metrics.setGlobalMeterProvider(provider);
  return { points, [Symbol.dispose]: () => metrics.disable() };
}

const MODEL = {
  key: "up-*",
  name: "up-a",
  upstream: { name: "up", baseUrl: "http://127.0.0.1:1/v1", profile: { name: "generic" } },
} as unknown as ResolvedModel;

Deno.test("Telemetry measures under a bounded number of error types, whatever codes an upstream makes up", () => {
  using told = record();
  const telemetry = new Telemetry();
  const clock = new FakeClock();
  const fail = (code: string): void => {
    const context = { clock, call: null, fields: { error_code: code } } as unknown;
    telemetry.begin(context as RequestContext, MODEL, false);
    telemetry.end(context as RequestContext);
  };
  for (let n = 0; n < 500; n++) fail(`made_up_${n}`);
  fail("made_up_0");
  const types = told.points.map(([, attributes]) => attributes["error.type"]);
  assertEquals([types.length, types[0], types.at(-1)], [501, "made_up_0", "made_up_0"]);
  assertEquals(new Set(types).size <= 101, true, `${new Set(types).size}`);
  assertEquals(types[499], "_OTHER");
});
