import { SynthError } from "@synth/core";
import type { ContentPart } from "@synth/core/api";
import type { ChatPart } from "../chat.ts";
import type { UpstreamProfile } from "../profile.ts";

const TEXT_MEDIA =
  /^data:(?:text\/[\w.+-]+|application\/(?:json|xml|yaml|toml|x-yaml|javascript))[;,]/i;

/** One part of a user message or a tool output, or null if there is nothing in it. */
export function chatPart(
  part: ContentPart,
  profile: UpstreamProfile,
  path: string,
): ChatPart | null {
  switch (part.type) {
    case "input_image":
      return imagePart(part, profile, path);
    case "input_file":
      return filePart(part, profile, path);
    case "input_audio":
      if (!profile.audio || part.input_audio === null || part.input_audio === undefined) {
        throw unsupported("audio", path);
      }
      return {
        type: "input_audio",
        input_audio: { data: part.input_audio.data, format: part.input_audio.format },
      };
    default:
      if (typeof part.text !== "string") throw unsupported(`'${part.type.slice(0, 64)}'`, path);
      return part.text === "" ? null : { type: "text", text: part.text };
  }
}

function imagePart(part: ContentPart, profile: UpstreamProfile, path: string): ChatPart {
  const url = part.image_url;
  if (url === null || url === undefined) {
    throw unsupported(
      typeof part.file_id === "string" ? "a file_id" : "an image without image_url",
      path,
    );
  }
  const data = /^data:image\//i.test(url);
  if (!data && !/^https?:\/\//i.test(url)) {
    throw new SynthError("An image_url must be an http(s) or a data:image/ URL", {
      code: "invalid_value",
      status: 400,
      param: `${path}.image_url`,
    });
  }
  if (profile.images === "none") throw unsupported("an image", path);
  if (!data && profile.images === "data") {
    throw unsupported("an image by URL; send it as a data URL", path);
  }
  const detail = part.detail === "original" ? "high" : part.detail;
  return {
    type: "image_url",
    image_url: { url, ...(typeof detail === "string" && detail !== "" ? { detail } : {}) },
  };
}

function filePart(part: ContentPart, profile: UpstreamProfile, path: string): ChatPart {
  const data = part.file_data;
  if (data === null || data === undefined) {
    throw unsupported(
      typeof part.file_id === "string" ? "a file_id" : "a file without file_data",
      path,
    );
  }
  const filename = part.filename ?? undefined;
  if (profile.files === "native") {
    return {
      type: "file",
      file: { ...(filename === undefined ? {} : { filename }), file_data: data },
    };
  }
  const text = profile.files === "inline_text" ? textOfDataUrl(data) : null;
  if (text === null) throw unsupported("a file that is not text", path);
  return { type: "text", text: `[file ${filename ?? "without a name"}]\n${text}` };
}

function textOfDataUrl(url: string): string | null {
  if (!TEXT_MEDIA.test(url)) return null;
  const comma = url.indexOf(",");
  if (comma < 0) return null;
  const body = url.slice(comma + 1);
  try {
    if (!url.slice(0, comma).toLowerCase().endsWith(";base64")) return decodeURIComponent(body);
    const bytes = Uint8Array.from(atob(body), (char) => char.charCodeAt(0));
    return new TextDecoder().decode(bytes);
  } catch {
    return null;
  }
}

/** The 400 for what the upstream cannot be given. */
export function unsupported(what: string, path: string): SynthError {
  return new SynthError(`This model's upstream does not take ${what}`, {
    code: "unsupported_content",
    status: 400,
    param: path,
  });
}

/** The text of a message, its parts joined; parts without text are reported to `other`. */
export function textOf(
  content: string | readonly ContentPart[],
  separator: string,
  other: (part: ContentPart, index: number) => void,
): string {
  if (typeof content === "string") return content;
  const texts: string[] = [];
  for (let index = 0; index < content.length; index++) {
    const part = content[index]!;
    if (typeof part.text !== "string") other(part, index);
    else if (part.text !== "") texts.push(part.text);
  }
  return texts.join(separator);
}

/** A user message's content; null when nothing is left of it. */
export function userContent(
  content: string | readonly ContentPart[],
  profile: UpstreamProfile,
  path: string,
): string | ChatPart[] | null {
  if (typeof content === "string") return content === "" ? null : content;
  const parts: ChatPart[] = [];
  for (let index = 0; index < content.length; index++) {
    const part = chatPart(content[index]!, profile, `${path}.content[${index}]`);
    if (part !== null) parts.push(part);
  }
  const only = parts[0];
  if (only === undefined) return null;
  return parts.length === 1 && only.type === "text" ? only.text : parts;
}
