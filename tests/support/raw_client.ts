/** A TCP client that sends what no HTTP library would. @module */

/** What came back. */
export interface RawAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Map<string, string>;
  readonly body: string;
}

/** Sends the pieces one after the other and reads until the server closes or a whole answer is there. */
export async function sendRaw(port: number, ...pieces: string[]): Promise<RawAnswer> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const encoder = new TextEncoder();
  const sending = (async () => {
    for (const piece of pieces) await writeAll(connection, encoder.encode(piece));
  })().catch(() => {});
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(64 * 1024);
  let text = "";
  while (!isWhole(text)) {
    const n = await connection.read(buffer).catch(() => null);
    if (n === null) break;
    text += decoder.decode(buffer.subarray(0, n), { stream: true });
  }
  await sending;
  return parse(text);
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) at += await connection.write(bytes.subarray(at));
}

function isWhole(text: string): boolean {
  const split = text.indexOf("\r\n\r\n");
  if (split === -1) return false;
  const { headers, body } = parse(text);
  const length = headers.get("content-length");
  if (length !== undefined) return new TextEncoder().encode(body).length >= Number(length);
  return headers.get("transfer-encoding") === "chunked" && text.endsWith("0\r\n\r\n");
}

function parse(text: string): RawAnswer {
  const split = text.indexOf("\r\n\r\n");
  const [first = "", ...lines] = text.slice(0, split).split("\r\n");
  const headers = new Map(lines.map((line): [string, string] => {
    const at = line.indexOf(":");
    return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()];
  }));
  return { status: Number(first.split(" ")[1]), headers, body: text.slice(split + 4) };
}
