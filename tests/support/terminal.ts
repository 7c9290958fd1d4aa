/** A real terminal of any size, driven by tmux. @module */
import { ensureProgram } from "./apt_install.ts";

/** What runs in it. */
export interface TerminalOptions {
  readonly columns: number;
  readonly rows?: number;
  /** A shell command. */
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/** A terminal. Disposing ends it. */
export interface Terminal extends AsyncDisposable {
  /** Its lines, as soon as they are as wanted; with colours as escape sequences when asked for. */
  screen(wanted: (text: string) => boolean, how?: { colors: boolean }): Promise<string>;
  /** Presses keys, by tmux's names. */
  press(...keys: string[]): Promise<void>;
}

const DEADLINE_MS = 30_000;

/** Opens a terminal, and stays open when its command has ended. */
export async function openTerminal(options: TerminalOptions): Promise<Terminal> {
  await ensureProgram("tmux", "-V");
  const socket = await Deno.makeTempDir({ prefix: "synth-tmux-" });
  const tmux = async (...args: string[]): Promise<string> => {
    const { success, stdout, stderr } = await new Deno.Command("tmux", {
      args: ["-f", "/dev/null", "-S", `${socket}/s`, ...args],
      cwd: options.cwd,
      clearEnv: true,
      env: { ...options.env, TERM: "xterm-256color", LC_ALL: "C.UTF-8" },
      stdin: "null",
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  };
  await tmux(
    "new-session",
    "-d",
    "-x",
    String(options.columns),
    "-y",
    String(options.rows ?? 30),
    `${options.command}; printf 'exit code %s\\n' $?; exec cat`,
  );
  return {
    async screen(wanted, how = { colors: false }): Promise<string> {
      const end = Date.now() + DEADLINE_MS;
      for (;;) {
        const plain = await tmux("capture-pane", "-p");
        if (wanted(plain)) return how.colors ? await tmux("capture-pane", "-p", "-e") : plain;
        if (Date.now() > end) throw new Error(`the screen never came to be as wanted:\n${plain}`);
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
    },
    async press(...keys): Promise<void> {
      await tmux("send-keys", ...keys);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await tmux("kill-server");
      await Deno.remove(socket, { recursive: true });
    },
  };
}
