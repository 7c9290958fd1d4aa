/** Which model an agent begins with. @module */
import { EXIT, SynthError } from "@synth/core";
import type { ModelObject, SynthClient } from "@synth/core/api";

/** The model and all that the gateway has. */
export interface ChosenModel {
  readonly model: ModelObject;
  readonly models: readonly ModelObject[];
}

const DEMO = "synth-demo";

/**
 * The wanted model, also one that only a pattern of the gateway's configuration matches; without a wish the only real one, or the demo.
 *
 * @throws {SynthError} `model_not_found` (exit code 3), `usage` when there are several
 */
export async function chooseModel(
  client: Pick<SynthClient, "models" | "model">,
  wanted: string | undefined,
): Promise<ChosenModel> {
  const { data: models } = await client.models();
  const names = models.map(({ id }) => id);
  if (wanted === undefined) {
    const real = models.filter(({ id }) => id !== DEMO);
    const [only] = real.length === 0 ? models : real;
    if (only !== undefined && real.length <= 1) return { model: only, models };
    throw new SynthError("Which model?", {
      code: "usage",
      exitCode: EXIT.usage,
      hint: `Give --model: ${names.join(", ")}`,
    });
  }
  const listed = models.find(({ id }) => id === wanted);
  if (listed !== undefined) return { model: listed, models };
  try {
    const model = { ...await client.model(wanted), id: wanted };
    return { model, models: [model, ...models] };
  } catch (error) {
    if (!(error instanceof SynthError) || error.code !== "model_not_found") throw error;
    throw new SynthError(`The gateway has no model ${JSON.stringify(wanted)}`, {
      code: "model_not_found",
      exitCode: EXIT.notFound,
      hint: `It has: ${names.join(", ")}`,
    });
  }
}
