/** What `synth completions` does. @module */
import type { CliContext } from "../context.ts";
import type { Shell } from "./complete.ts";

/** Prints the script, for the name by which we were called. */
export function runCompletions(
  this: CliContext,
  _flags: Record<never, never>,
  shell: Shell,
): void {
  this.process.stdout.write(completionScript(shell, this.name));
}

/**
 * A shell's script. It asks `NAME __complete WORDS...`, the last word being the one to complete, for lines of a word, a tab and a
 * description.
 */
export function completionScript(shell: Shell, name: string): string {
  const fn = `_${name.replaceAll("-", "_")}_complete`;
  switch (shell) {
    case "bash":
      return `${fn}() {
  local line words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  COMPREPLY=()
  while IFS=$'\\t' read -r line _; do
    COMPREPLY+=("$line")
  done < <(${name} __complete "\${words[@]}" 2>/dev/null)
  if [ \${#COMPREPLY[@]} -eq 0 ]; then compopt -o default; fi
}
complete -F ${fn} ${name}
`;
    case "zsh":
      return `#compdef ${name}
${fn}() {
  local -a found
  local word brief
  while IFS=$'\\t' read -r word brief; do
    found+=("\${word//:/\\\\:}:\${brief}")
  done < <(${name} __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#found} )); then _describe '${name}' found; else _files; fi
}
compdef ${fn} ${name}
`;
    case "fish":
      return `function ${fn}
  set -l words (commandline -opc) (commandline -ct)
  ${name} __complete $words[2..-1] 2>/dev/null
end
complete -c ${name} -f -a '(${fn})'
`;
    case "powershell":
      return `Register-ArgumentCompleter -Native -CommandName ${name} -ScriptBlock {
  param($word, $ast, $position)
  $words = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
  if ($word -eq '') { $words += '""' }
  ${name} __complete @words 2>$null | ForEach-Object {
    $text, $brief = $_ -split "\`t", 2
    if (-not $brief) { $brief = $text }
    [System.Management.Automation.CompletionResult]::new($text, $text, 'ParameterValue', $brief)
  }
}
`;
  }
}
