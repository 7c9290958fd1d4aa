/** Tools that a Chat upstream knows as functions only, and the stop tool (bridge.md A12 to A17). @module */
import { call, finish, stream, text, usage } from "../chat_replies.ts";
import { fixed, ONE_CALL, type ScriptedCase } from "./scripted_case.ts";

const PATCH = "*** Begin Patch\n+aé\n*** End Patch\n";

/** Cases, by name. They need the tools of `BRIDGE_TOOLS` in the request. */
export const BRIDGE_CASES: [string, ScriptedCase][] = [
  [
    "custom",
    fixed(
      { status: "completed", output: [`custom_tool_call:apply_patch:${PATCH}`] },
      stream(
        call(0, '{"inp', "call_p", "apply_patch"),
        call(0, 'ut":"*** Begin'),
        call(0, " Patch\\n+a\\u00"),
        call(0, "e9"),
        call(0, '\\n*** End Patch\\n"}'),
        finish("tool_calls"),
        usage(),
      ),
    ),
  ],
  [
    "namespaced",
    fixed(
      { status: "completed", output: ['function_call:close_agent@multi_agent_v1:{"id":"x"}'] },
      stream(
        call(0, '{"id":"x"}', "call_n", "multi_agent_v1__close_agent"),
        finish("tool_calls"),
        usage(),
      ),
    ),
  ],
  [
    "tool-search",
    fixed(
      { status: "completed", output: ['tool_search_call:{"query":"x"}'] },
      stream(
        call(0, '{"query"', "call_s", "tool_search"),
        call(0, ':"x"}'),
        finish("tool_calls"),
        usage(),
      ),
    ),
  ],
  [
    "stop",
    fixed(
      { status: "completed", output: ["message:Done."] },
      stream(
        call(0, '{"final_message":', "call_z", "__internal_stop"),
        call(0, '"Done."}'),
        finish("tool_calls"),
        usage(),
      ),
    ),
  ],
  [
    "text-stop",
    fixed(
      { status: "completed", output: ["message:Done."] },
      stream(
        text("Done."),
        call(0, '{"final_message":"Bye."}', "call_z", "__internal_stop"),
        finish("tool_calls"),
        usage(),
      ),
    ),
  ],
  [
    "tool-stop",
    fixed(
      ONE_CALL,
      stream(
        call(0, '{"a":1}', "call_a", "f"),
        call(1, "{}", "call_z", "__internal_stop"),
        finish("tool_calls"),
        usage(),
      ),
    ),
  ],
];
