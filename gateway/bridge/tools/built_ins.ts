import type { Json } from "@synth/core";
import type { ToolKind } from "../plan.ts";

/** A typed built-in that the client runs, told to the upstream as a function. */
export interface BuiltIn {
  readonly kind: ToolKind;
  readonly description: string;
  readonly parameters: Json;
}

const STRINGS: Json = { type: "array", items: { type: "string" } };

/** By the `type` of the declaration, which is the function's name too. */
export const BUILT_INS: ReadonlyMap<string, BuiltIn> = new Map<string, BuiltIn>([
  ["local_shell", {
    kind: "local_shell",
    description: "Runs one command on the user's machine and returns its output.",
    parameters: {
      type: "object",
      properties: {
        command: { ...STRINGS, description: "The program and its arguments." },
        workdir: { type: "string", description: "The directory to run it in." },
        timeout_ms: { type: "integer" },
        env: { type: "object", additionalProperties: { type: "string" } },
      },
      required: ["command"],
    },
  }],
  ["shell", {
    kind: "shell",
    description: "Runs shell commands and returns the output of each.",
    parameters: {
      type: "object",
      properties: {
        commands: { ...STRINGS, description: "Shell command lines, run in order." },
        timeout_ms: { type: "integer" },
        max_output_length: { type: "integer" },
      },
      required: ["commands"],
    },
  }],
  ["apply_patch", {
    kind: "apply_patch",
    description: "Creates, updates or deletes one file.",
    parameters: {
      type: "object",
      properties: {
        operation: {
          type: "object",
          properties: {
            type: { type: "string", enum: ["create_file", "update_file", "delete_file"] },
            path: { type: "string" },
            diff: { type: "string", description: "The V4A diff; not for delete_file." },
          },
          required: ["type", "path"],
        },
      },
      required: ["operation"],
    },
  }],
]);
