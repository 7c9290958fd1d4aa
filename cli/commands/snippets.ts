/** What `synth up` prints for pasting. @module */

/** How agents and curl are pointed at a gateway. The key itself is never in the text, only its variable and file. */
export function pasteText(options: PasteOptions): string {
  const { url, model, keyPath } = options;
  const base = `${url}/v1`;
  const setKey = keyPath === null
    ? `# SYNTH_API_KEY is set in the gateway's environment; set the same value for the clients.`
    : options.windows
    ? `$env:SYNTH_API_KEY = Get-Content "${keyPath}"`
    : `export SYNTH_API_KEY="$(cat ${shellQuote(keyPath)})"`;
  return `The key, for every client:

  ${setKey}

Codex: in ~/.codex/config.toml

  model = "${model}"
  model_provider = "synth"
  [model_providers.synth]
  name = "synth"
  base_url = "${base}"
  env_key = "SYNTH_API_KEY"
  wire_api = "responses"

opencode: in opencode.json

  {
    "$schema": "https://opencode.ai/config.json",
    "model": "synth/${model}",
    "provider": {
      "synth": {
        "npm": "@ai-sdk/openai",
        "name": "synth",
        "options": { "baseURL": "${base}", "apiKey": "{env:SYNTH_API_KEY}" },
        "models": { "${model}": {} }
      }
    }
  }

curl

  curl ${base}/responses -H "authorization: Bearer $SYNTH_API_KEY" \\
    -H "content-type: application/json" -d '{"model": "${model}", "input": "Say hello"}'
`;
}

/** What the text depends on. */
export interface PasteOptions {
  /** The gateway's, without a slash at the end. */
  readonly url: string;
  readonly model: string;
  /** File with the key; `null` when the key came from the environment. */
  readonly keyPath: string | null;
  readonly windows: boolean;
}

function shellQuote(text: string): string {
  return /^[A-Za-z0-9_./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
