import { SynthError } from "@synth/core";
import { asFields, asText, type Fields } from "../bridge/chat_chunk.ts";

/**
 * Refuses parts that name a file which is kept at the upstream: its one account serves all orgs, so that an id would work for whoever knows it.
 *
 * @throws {SynthError} 400 `unsupported_parameter`, naming the part
 */
export function refuseFileIds(messages: readonly Fields[]): void {
  for (const [i, { content }] of messages.entries()) {
    if (!Array.isArray(content)) continue;
    for (const [j, part] of content.entries()) {
      const file = asFields(asFields(part)?.file);
      if (file === null || asText(file.file_id) === "") continue;
      throw new SynthError("A file_id is not served for this model", {
        code: "unsupported_parameter",
        status: 400,
        param: `messages[${i}].content[${j}]`,
        hint: "Send the file itself as file_data: nothing is kept at this model's upstream",
      });
    }
  }
}
