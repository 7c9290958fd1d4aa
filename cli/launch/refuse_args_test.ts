import { assertEquals, assertThrows } from "@std/assert";
import { SynthError } from "@synth/core";
import { codexAgent } from "./codex.ts";
import { opencodeAgent } from "./opencode.ts";
import { flagsOf } from "./refuse_args.ts";

Deno.test("flagsOf reads every spelling of a flag, up to --", () => {
  assertEquals([
    ...flagsOf(["a", "-c", "k=v", "-ck=v", "-c=k=v", "--x=1=2", "--y", "z", "--", "-n"]),
  ], [
    { name: "-c", value: "k=v" },
    { name: "-c", value: "k=v" },
    { name: "-c", value: "k=v" },
    { name: "--x", value: "1=2" },
    { name: "--y", value: "z" },
  ]);
});

Deno.test("Codex gets no argument that leads around the session", () => {
  const refused = [
    ["--oss"],
    ["exec", "--local-provider=ollama"],
    ["--remote", "ws://x"],
    ["-c", "model_provider=x"],
    ["-c", " model_provider = x"],
    ["exec", "-cmodel_providers.synth_launch.base_url=x"],
    ["--config=model_providers.x={}"],
    ["-c", "openai_base_url=x"],
    ["-c", '"model_provider"="x"'],
    ["-m", "other"],
    ["--model=other"],
  ];
  for (const args of refused) assertThrows(() => codexAgent.checkArgs(args), SynthError);
  codexAgent.checkArgs(["exec", "-c", "model_reasoning_effort=high", "--json", "say --oss"]);
  codexAgent.checkArgs(["exec", "--", "--oss"]);
});

Deno.test("opencode gets no argument that leads around the session", () => {
  for (const args of [["attach", "x"], ["run", "--attach", "x"], ["-m", "a/b"], ["--model=a/b"]]) {
    assertThrows(() => opencodeAgent.checkArgs(args), SynthError);
  }
  opencodeAgent.checkArgs(["run", "--format", "json", "attach the file"]);
});
