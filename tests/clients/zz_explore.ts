import { call, finish, role, stream, text, usage } from "../support/chat_replies.ts";
import { codexHome } from "../support/codex.ts";
import { scriptedConfig, startGatewayProcess } from "../support/gateway_process.ts";
import { startUpstream } from "../support/scripted_upstream.ts";
import { startTap } from "../support/tap.ts";
await using upstream = await startUpstream();
const say = (s: string) => stream(role(), text(s), finish("stop"), usage());
await using gateway = await startGatewayProcess({
  config: scriptedConfig(upstream.baseUrl) + `
[models."gpt-*"]
upstream = "scripted"
price = "free"
bounds = { image_tokens = 2000 }
`,
});
await using tap = startTap(gateway.origin);
await using codex = await codexHome(tap.origin, gateway.apiKey);
for (const model of ["gpt-5.5", "gpt-6.1-sol"]) {
  upstream.enqueue(
    model === "gpt-5.5"
      ? stream(
        call(0, '{"query":"spawn agent"}', "c1", "tool_search"),
        finish("tool_calls"),
        usage(),
      )
      : say("hi"),
    say("done"),
  );
  const r = await codex.exec(model, "say hi");
  console.log(r.code, r.stderr.slice(0, 500), r.messages, r.error);
}
await Deno.writeTextFile(
  "/tmp/k/up.json",
  JSON.stringify(upstream.requests.map((r) => r.body), null, 1),
);
await Deno.writeTextFile(
  "/tmp/k/tap.json",
  JSON.stringify(tap.exchanges.map((r) => JSON.parse(r.body)), null, 1),
);
console.log(
  tap.exchanges.map(
    (e) => [
      e.status,
      e.answerHeaders.get("x-synth-ignored"),
      e.answerHeaders.get("x-bridge-dropped-tools"),
    ],
  ),
);
