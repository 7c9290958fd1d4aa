/** Responses of upstreams that speak the Responses API, as they are stored here. @module */
import type { ResponsesRequest } from "@synth/core/api";
import { responsesMaker } from "../bridge/items/item_secret.ts";
import type { OutputItem } from "../bridge/output_item.ts";
import type { ResponseEcho } from "../bridge/plan.ts";
import { type ResponseObject, responseObject } from "../bridge/response_object.ts";
import { OwnIds } from "../bridge/reverse/own_ids.ts";
import type { Services } from "../services.ts";
import type { ResolvedModel } from "../upstreams/model_table.ts";
import { SEALS } from "./pass_response.ts";
import { itemIds } from "./response_ids.ts";
import type { Storing } from "./storing.ts";

/** The ids that a relayed response goes out with. What is not stored keeps those of its items: its client sends them back with their seals. */
export function ownIds(body: ResponsesRequest, model: ResolvedModel, stored: Storing): OwnIds {
  const { responseId, wanted } = stored;
  return new OwnIds({
    responseId,
    echo: {
      store: wanted,
      previous_response_id: body.previous_response_id ?? null,
    },
    newId: wanted ? itemIds(responseId) : null,
    hideSeals: wanted && !body.include?.includes(SEALS),
    by: responsesMaker(model.upstream.name),
  });
}

/** The response as it went out, with the members that the upstream left out; `null` while there is none. */
export function relayedResponse(
  response: { readonly [key: string]: unknown } | null,
  echo: ResponseEcho,
  ids: OwnIds,
): ResponseObject | null {
  if (response === null) return null;
  const state = {
    id: ids.responseId,
    created_at: 0,
    status: "completed",
    completed_at: null,
    error: null,
    incomplete_details: null,
    output: [],
    usage: null,
  } as const;
  const { output } = response;
  const whole = Array.isArray(output) && output.length > 0 ? output : ids.items;
  return {
    ...responseObject({ ...state, output: [] }, echo),
    ...response,
    output: whole as unknown as OutputItem[],
  };
}

const unsealed: WeakMap<Services, Set<string>> = new WeakMap();
const MAX_UNSEALED = 1000;

/** Whether a model may be asked to seal its reasoning: it has not refused. */
export function sealsReasoning(services: Services, model: ResolvedModel): boolean {
  return unsealed.get(services)?.has(nameOf(model)) !== true;
}

/** Remembers that a model refuses to. */
export function noteUnsealed(services: Services, model: ResolvedModel): void {
  const known = unsealed.get(services) ?? new Set();
  if (known.size < MAX_UNSEALED) known.add(nameOf(model));
  unsealed.set(services, known);
}

function nameOf({ upstream, upstreamName }: ResolvedModel): string {
  return `${upstream.name}\0${upstreamName}`;
}
