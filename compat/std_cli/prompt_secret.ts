/** A stand-in for `jsr:@std/cli/prompt-secret`. @module */

/** How a secret is asked for. */
export interface PromptSecretOptions {
  /** Shown for each character; `""` shows nothing. @default {"*"} */
  mask?: string;
}

/** Asks for a line without showing it. `null` when there is no terminal. */
export function promptSecret(
  message = "Secret",
  options: PromptSecretOptions = {},
): string | null {
  if (!Deno.stdin.isTerminal()) return null;
  const mask = options.mask ?? "*";
  const write = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(text));
  write(`${message} `);
  Deno.stdin.setRaw(true);
  try {
    return readHidden(mask, write);
  } finally {
    Deno.stdin.setRaw(false);
    write("\n");
  }
}

function readHidden(
  mask: string,
  write: (text: string) => void,
): string | null {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(64);
  const typed: string[] = [];
  while (true) {
    const n = Deno.stdin.readSync(buffer);
    if (n === null) return typed.join("");
    for (
      const char of decoder.decode(buffer.subarray(0, n), { stream: true })
    ) {
      if (char === "\r" || char === "\n") return typed.join("");
      if (char === "\x03") return null;
      if (char === "\x7f" || char === "\b") {
        if (typed.pop() !== undefined && mask !== "") write("\b \b");
        continue;
      }
      typed.push(char);
      write(mask);
    }
  }
}
