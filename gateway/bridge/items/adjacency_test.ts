import { assert, assertEquals } from "@std/assert";
import { MISTRAL } from "../../upstreams/profiles/mistral.ts";
import { OPENAI } from "../../upstreams/profiles/openai.ts";
import { GENERIC } from "../../upstreams/profiles/generic.ts";
import { call, messagesOf, output, sketch, user } from "../testing/plan.ts";

const says = (text: string) => ({ type: "message", role: "assistant", content: text });
const thinks = (text: string) => ({
  type: "reasoning",
  summary: [],
  content: [{ type: "reasoning_text", text }],
});

function sketchOf(...input: unknown[]): string[] {
  return sketch(messagesOf(input));
}

Deno.test("adjacency 1: reasoning, text and parallel calls share one assistant message", () => {
  const messages = messagesOf([
    user("go"),
    thinks("r"),
    says("text"),
    call("a"),
    call("b"),
    output("a", "1"),
    output("b", "2"),
  ]);
  assertEquals(sketch(messages), ["u:go", "a:text[a,b]", "t:a=1", "t:b=2"]);
  assertEquals(messages[1]!.role === "assistant" && messages[1]!.reasoning_content, "r");
  assertEquals(
    sketchOf(call("a"), output("a", "1"), call("b"), output("b", "2")),
    ["a:[a]", "t:a=1", "a:[b]", "t:b=2"],
    "an output in between parts them",
  );
  assertEquals(sketchOf(says("x"), says("y"), user("z")), ["a:x\n\ny", "u:z"]);
});

Deno.test("adjacency 2: text between a call and its output is folded into the call's message", () => {
  assertEquals(sketchOf(call("a"), says("wait"), output("a", "1")), ["a:wait[a]", "t:a=1"]);
  assertEquals(
    sketchOf(call("a"), call("b"), output("a", "1"), says("wait"), output("b", "2"), says("end")),
    ["a:wait[a,b]", "t:a=1", "t:b=2", "a:end"],
  );
});

Deno.test("adjacency 3: outputs follow at once in the calls' order, user and developer items behind them", () => {
  assertEquals(
    sketchOf(call("a"), call("b"), output("b", "2"), user("u"), output("a", "1"), user("v")),
    ["a:[a,b]", "t:a=1", "t:b=2", "u:u", "u:v"],
  );
  assertEquals(
    sketchOf(call("a"), { role: "developer", content: "d" }, output("a", "1")),
    ["a:[a]", "t:a=1", "u:<system-reminder>\nd\n</system-reminder>"],
  );
  assertEquals(
    sketchOf(call("a"), user("u"), call("b"), output("a", "1"), output("b", "2")),
    ["a:[a]", "t:a=1", "u:u", "a:[b]", "t:b=2"],
  );
  assertEquals(
    sketchOf(output("a", "early"), user("u"), call("a")),
    ["u:u", "a:[a]", "t:a=early"],
    "an output that came before its only call",
  );
});

Deno.test("adjacency 3: an output that belongs to an earlier message does not split a later one", () => {
  assertEquals(
    sketchOf(call("a"), user("u"), says("x"), output("a", "1"), says("y")),
    ["a:[a]", "t:a=1", "u:u", "a:x\n\ny"],
  );
});

Deno.test("adjacency 4: a call without output was aborted", () => {
  assertEquals(sketchOf(call("a"), user("u")), ["a:[a]", "t:a=aborted", "u:u"]);
  assertEquals(
    sketchOf({ type: "custom_tool_call", call_id: "c", name: "apply_patch", input: "x" }),
    ["a:[c]", "t:c=aborted"],
  );
  assertEquals(
    sketchOf(call("a"), call("b"), output("b", "2")),
    ["a:[a,b]", "t:a=aborted", "t:b=2"],
  );
});

Deno.test("adjacency 5: an output without call becomes a user message", () => {
  assertEquals(sketchOf(output("gone", "text"), user("u")), [
    "u:[tool output for gone]\ntext",
    "u:u",
  ]);
  assertEquals(sketchOf(call("a"), output("gone", "x"), output("a", "1")), [
    "a:[a]",
    "t:a=1",
    "u:[tool output for gone]\nx",
  ]);
});

Deno.test("adjacency 6: the n-th pair of one call id is renamed, output and all", () => {
  assertEquals(
    sketchOf(call("a"), output("a", "1"), call("a"), output("a", "2"), call("a"), output("a", "3")),
    ["a:[a]", "t:a=1", "a:[a~2]", "t:a~2=2", "a:[a~3]", "t:a~3=3"],
  );
  assertEquals(
    sketchOf(call("a"), call("a"), output("a", "1"), output("a", "2")),
    ["a:[a,a~2]", "t:a=1", "t:a~2=2"],
  );
  assertEquals(
    sketchOf(call("a~2"), call("a"), call("a"), call("a~2")),
    ["a:[a~2,a,a~3,a~2~2]", "t:a~2=aborted", "t:a=aborted", "t:a~3=aborted", "t:a~2~2=aborted"],
    "a name that is taken already",
  );
});

Deno.test("adjacency 6: many calls of one id take linear time", () => {
  const items: unknown[] = [];
  for (let index = 0; index < 5_000; index++) items.push(call("x"));
  for (let index = 0; index < 5_000; index++) items.push(output("x", `${index}`));
  const messages = sketch(messagesOf(items));
  assertEquals(messages.length, 5_001);
  assertEquals(messages.at(-1), "t:x~5000=4999");
});

Deno.test("adjacency 7: images of tool outputs follow in one user message", () => {
  const image = (name: string) => ({
    type: "input_image",
    image_url: `data:image/png;base64,${name}`,
  });
  const shows = (id: string, ...parts: unknown[]) => ({
    type: "function_call_output",
    call_id: id,
    output: parts,
  });
  const one = messagesOf([call("a"), shows("a", image("A"), image("B")), user("u")]);
  assertEquals(sketch(one), [
    "a:[a]",
    "t:a=[image output follows]",
    "u:<image_url>|<image_url>",
    "u:u",
  ]);
  assertEquals(
    sketchOf(
      call("a"),
      call("b"),
      shows("a", { type: "input_text", text: "x" }, image("A"), { type: "input_text", text: "y" }),
      shows("b", image("B")),
    ),
    [
      "a:[a,b]",
      "t:a=x\ny",
      "t:b=[image output follows]",
      "u:[image output of a]|<image_url>|[image output of b]|<image_url>",
    ],
  );
  const inline = { ...GENERIC, toolImages: "inline" as const };
  assertEquals(
    sketch(messagesOf([call("a"), shows("a", image("A"))], { profile: inline })),
    ["a:[a]", "t:a=<image_url>"],
  );
});

Deno.test("adjacency 8: no empty text parts, null or empty content by profile, ids in the upstream's form", () => {
  const parts = [{ type: "input_text", text: "" }, { type: "input_text", text: "x" }];
  assertEquals(messagesOf([{ role: "user", content: parts }, { role: "user", content: [] }]), [
    { role: "user", content: "x" },
  ]);
  assertEquals(messagesOf([call("a")])[0]!.content, null);

  const input = [call("call_long_one"), call("aB3456789"), output("call_long_one", "1")];
  const messages = messagesOf(input, { profile: MISTRAL });
  assertEquals(messages[0]!.content, "");
  const ids = messages.flatMap((m) => m.role === "tool" ? [m.tool_call_id] : []);
  assert(ids.every((id) => /^[A-Za-z0-9]{9}$/.test(id)), ids.join());
  assertEquals(ids[1], "aB3456789", "an id of the right form is kept");
  assertEquals(
    messagesOf([...input, user("more")], { profile: MISTRAL }).slice(0, 3),
    messages,
    "and stay the same in the next request",
  );
});

Deno.test("reasoning that no message follows is left out", () => {
  assertEquals(sketchOf(user("a"), thinks("r"), user("b")), ["u:a", "u:b"]);
});

Deno.test("a mid-history developer message stays one where the profile says so", () => {
  const input = [user("a"), { role: "developer", content: "d" }];
  assertEquals(sketch(messagesOf(input, { profile: OPENAI })), ["u:a", "d:d"]);
  const hoist = { ...GENERIC, midSystem: "hoist" as const };
  assertEquals(sketch(messagesOf(input, { profile: hoist })), ["s:d", "u:a"]);
});
