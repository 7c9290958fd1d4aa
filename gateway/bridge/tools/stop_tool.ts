import type { ChatTool } from "../chat.ts";

/** The tool that the gateway adds for models that do not know when to stop. Clients never see it. */
export const STOP_TOOL_NAME = "__internal_stop";

/** How the stop tool is offered: not at all, beside the client's tools, or with a call of some tool required. */
export type StopToolMode = "off" | "offer" | "force";

/** Its declaration. */
export const STOP_TOOL: ChatTool = {
  type: "function",
  function: {
    name: STOP_TOOL_NAME,
    description:
      "Call this and nothing else when the user's task is completely finished. Do not call it while any work is left.",
    parameters: {
      type: "object",
      properties: {
        final_message: { type: "string", description: "What to tell the user at the end." },
        reason: { type: "string", description: "Why the task is finished." },
      },
    },
  },
};
