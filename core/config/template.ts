/** The file that `synth config init` writes. @module */

/** A commented `synth.toml` with the three models that the documentation uses. It is valid as it is. */
export const CONFIG_TEMPLATE = `# synth: the gateway's configuration.
# Every key, with its default and unit: docs/configuration.md. What is left out has its default.

[gateway]
host = "127.0.0.1"                 # "0.0.0.0" makes the gateway reachable from other machines
port = 8787                        # 0 picks a free one
store = "sqlite"                   # "redis" (REDIS_URL) or "upstash" (UPSTASH_REDIS_REST_URL, _TOKEN)

# A server that the gateway calls. Put its key into the environment variable named here:
#   export GROQ_API_KEY=...
[upstreams.groq]
base_url = "https://api.groq.com/openai/v1"
api = "chat"                       # or "responses"
api_key_env = "GROQ_API_KEY"       # or api_key_file = "/path/to/a/file"; neither: no key is sent
profile = "groq"                   # quirks and caps of the server; "generic" is the default

# A model that clients can ask for, by the name in quotes. Prices are USD per million tokens; check
# them against your provider's list, for a cost limit is only as good as they are.
[models."synth-small"]
upstream = "groq"
model = "openai/gpt-oss-20b"       # the upstream's name
price = { input = 0.075, cached_input = 0.0375, output = 0.30 }
context_window = 131072
max_output_tokens = 32768
stop_tool = "offer"                # off | offer | force

[models."synth-medium"]
upstream = "groq"
model = "openai/gpt-oss-120b"
price = { input = 0.15, cached_input = 0.075, output = 0.60 }
context_window = 131072
max_output_tokens = 32768

[models."synth-experimental"]
upstream = "groq"
model = "qwen/qwen3-32b"
price = { input = 0.29, output = 0.59 }
context_window = 131072
max_output_tokens = 32768

# Models on this machine. A trailing star takes every name that begins like this; the name goes
# upstream as the client sent it.
# [upstreams.local]
# base_url = "http://127.0.0.1:11434/v1"
# profile = "ollama"
# [models."local-*"]
# upstream = "local"
# price = "free"

# What the gateway does with sessions that it opens itself.
# [sessions]
# default_limit_cost_usd = 20.0    # USD; 0 means zero
# ttl_hours = 24
# allow_opt_out = true             # whether "X-No-Session: true" is honoured
`;
