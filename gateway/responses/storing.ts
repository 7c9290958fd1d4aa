/** Whether and how the response of one request is stored. @module */
import type { ResponsesRequest } from "@synth/core/api";
import type { ResponseObject } from "../bridge/response_object.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import { keepResponse } from "./keep_response.ts";
import type { History } from "./load_history.ts";
import { newResponseId } from "./response_ids.ts";
import { storedInput } from "./stored_input.ts";

/** Keeps the response of one request. */
export interface Storing {
  readonly responseId: string;
  /** Stores it, if it is to be stored. Never rejects. */
  keep(response: ResponseObject, session: string | null): Promise<void>;
}

/** What to do with the response of `body` when it is there. */
export function storing(
  context: RequestContext,
  services: Services,
  body: ResponsesRequest,
  history: History | null,
  responseId: string,
): Storing {
  const { responses: store } = services;
  return {
    responseId,
    async keep(response, session) {
      if (store === null || body.store === false) return;
      await keepResponse(context, store, {
        v: 1,
        response,
        input: storedInput(body, history?.references ?? new Map(), responseId),
        ancestors: history?.ancestors ?? [],
        session,
      });
    },
  };
}

/** For an answer that this gateway never stores, whatever the request asks for. */
export function notStoring(): Storing {
  return { responseId: newResponseId(false), async keep() {} };
}
