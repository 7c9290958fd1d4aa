/** Whether and how the response of one request is stored. @module */
import type { ResponsesRequest } from "@synth/core/api";
import type { ResponseEcho } from "../bridge/plan.ts";
import type { ResponseObject } from "../bridge/response_object.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import { keepResponse } from "./keep_response.ts";
import type { History } from "./load_history.ts";
import { newResponseId, nextResponseId } from "./response_ids.ts";
import type { ItemSecret, ItemSecrets } from "../bridge/items/item_secret.ts";
import { isCompaction } from "./stored_response.ts";
import { inputItems, storedInput } from "./stored_input.ts";

/** Keeps the response of one request. */
export interface Storing {
  readonly responseId: string;
  /** Whether it is to be stored. */
  readonly wanted: boolean;
  /** Whether it is of use to know what the client is not shown of it. */
  readonly remembers: boolean;
  /**
   * Stores it, if it is to be stored. Never rejects.
   *
   * @param secrets of the output's items
   * @param asked what was asked for, where the response may tell it in other words
   */
  keep(
    response: ResponseObject,
    session: string | null,
    secrets?: ItemSecrets,
    asked?: ResponseEcho | null,
  ): Promise<void>;
}

/** What to do with the response of `body` when it is there. */
export function storing(
  context: RequestContext,
  services: Services,
  body: ResponsesRequest,
  history: History | null,
  responseId: string = responseIdFor(body, history),
): Storing {
  const { responses: store } = services;
  const wanted = store !== null && body.store !== false;
  return {
    responseId,
    wanted,
    remembers: wanted,
    async keep(response, session, secrets = new Map(), asked = null) {
      if (!wanted) return;
      const input = storedInput(
        withUnstored(body, history),
        history?.references ?? new Map(),
        responseId,
      );
      const known: Map<string, ItemSecret> = new Map(secrets);
      for (const { id } of input) {
        const secret = history?.secrets.get(String(id));
        if (secret !== undefined) known.set(String(id), secret);
      }
      await keepResponse(context, store, {
        response,
        input,
        secrets: known,
        session,
        asked,
        ancestors: [],
      });
    },
  };
}

/** What came before and is stored nowhere is stored with what goes on from it. */
function withUnstored(body: ResponsesRequest, history: History | null): ResponsesRequest {
  if (history === null || history.last !== null || history.items.length === 0) return body;
  return { ...body, input: [...history.items, ...inputItems(body)] };
}

/** A new id for the response of `body`, which tells where it is stored. */
export function responseIdFor(body: ResponsesRequest, history: History | null): string {
  if (body.store === false) return newResponseId(false);
  const last = history?.last ?? null;
  if (last === null) return newResponseId(true);
  return nextResponseId(last.stored.response.id, last.inSlot, isCompaction(last.stored));
}
