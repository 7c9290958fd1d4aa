/** Arguments that a launcher does not pass on. @module */
import { EXIT, SynthError } from "@synth/core";

/** Refuses an argument. */
export function refuse(title: string, arg: string, why: string): never {
  throw new SynthError(`${arg} cannot be passed to ${title} here: ${why}`, {
    code: "usage",
    exitCode: EXIT.usage,
    hint: `Run ${title} without synth if that is what you want; nothing then limits what it spends`,
  });
}

/** The flag's name and value, of `--name=value` or of two arguments. */
export function* flagsOf(
  args: readonly string[],
): Generator<{ readonly name: string; readonly value: string }> {
  for (const [i, arg] of args.entries()) {
    if (arg === "--") return;
    if (!arg.startsWith("-")) continue;
    const cut = arg.indexOf("=");
    if (arg.startsWith("--") && cut > 0) {
      yield { name: arg.slice(0, cut), value: arg.slice(cut + 1) };
    } else if (arg.startsWith("--")) yield { name: arg, value: args[i + 1] ?? "" };
    // -c key=value, -ckey=value, -c=key=value
    else if (arg.length > 2) yield { name: arg.slice(0, 2), value: arg.slice(2).replace(/^=/, "") };
    else yield { name: arg, value: args[i + 1] ?? "" };
  }
}
