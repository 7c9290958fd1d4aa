import { assertEquals, assertRejects } from "@std/assert";
import { SynthError } from "@synth/core";
import { configSchema } from "@synth/core/config";
import type { CliContext } from "../context.ts";
import { codexAgent } from "./codex.ts";
import { launchLimits, sessionConfig } from "./limits.ts";

const DEFAULTS = configSchema.parse({});

async function inDirectory(
  files: Record<string, string>,
  test: (context: CliContext) => Promise<void>,
  env: Record<string, string> = {},
): Promise<void> {
  const cwd = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${cwd}/${name}`, text);
    }
    await test({ cwd, env, os: "linux" } as CliContext);
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

Deno.test("without a file the cost limit is $20", () =>
  inDirectory({}, async (context) => {
    const session = await sessionConfig(context, codexAgent, DEFAULTS, undefined);
    assertEquals(launchLimits(session, {}), [{
      limit_id: "cost_usd",
      metric_type: "cost_usd",
      limit_type: "hard",
      limit_value: 20,
    }]);
  }));

Deno.test("codex.toml sets limits, 0 among them; the environment and flags win over it", () =>
  inDirectory({
    "codex.toml": '[session]\nlimit_cost_usd = 0\nlimit_tokens = 5\nsoft = ["tokens"]\n' +
      "window_seconds = 60\nwarning_threshold = 0.5\n",
  }, async (context) => {
    const session = await sessionConfig(context, codexAgent, DEFAULTS, undefined);
    const both = { window_seconds: 60, warning_threshold: 0.5 };
    assertEquals(
      launchLimits(session, {}).map(({ limit_id: _, ...rest }) => rest),
      [
        { metric_type: "cost_usd", limit_type: "rolling_window", limit_value: 0, ...both },
        { metric_type: "tokens", limit_type: "soft", limit_value: 5, ...both },
      ],
    );
    const flagged = launchLimits(session, { limitCostUsd: "0.10" });
    assertEquals(flagged[0]?.limit_value, "0.10");
  }));

Deno.test("the environment wins over codex.toml", () =>
  inDirectory({ "codex.toml": "[session]\nlimit_cost_usd = 3\n" }, async (context) => {
    const session = await sessionConfig(context, codexAgent, DEFAULTS, undefined);
    assertEquals(session.limit_cost_usd, 1);
  }, { SYNTH_SESSION_LIMIT_COST_USD: "1" }));

Deno.test("a codex.toml that is broken, or decides about more than limits, is an error", async () => {
  const bad = [
    "[session]\nlimit_cost = 1\n",
    "[session]\nlimit_cost_usd = -1\n",
    '[session]\nlimit_cost_usd = "1"\n',
    "[session\n",
    '[client]\nbase_url = "https://elsewhere.example"\n',
    '[upstreams.x]\nbase_url = "https://elsewhere.example"\n',
  ];
  for (const text of bad) {
    await inDirectory({ "codex.toml": text }, async (context) => {
      const error = await assertRejects(
        () => sessionConfig(context, codexAgent, DEFAULTS, undefined),
        SynthError,
      );
      assertEquals(error.exitCode, 2, text);
    });
  }
});

Deno.test("with --config the agent's own file is not read", () =>
  inDirectory({ "codex.toml": "[broken" }, async (context) => {
    assertEquals(
      await sessionConfig(context, codexAgent, DEFAULTS, "other.toml"),
      DEFAULTS.session,
    );
  }));
