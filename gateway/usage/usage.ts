/** `GET /api/v1/usage`: the journal of the org, line by line or summed up. @module */
import { isSessionId, SynthError } from "@synth/core";
import { json } from "../http/json.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import { askLedger } from "../sessions/api/books.ts";
import { invalidQuery, pageAnswer, pageOf, queryOf, wordOf } from "../sessions/api/page.ts";
import { parseTime } from "../sessions/api/times.ts";
import { usageBody } from "../sessions/api/wire.ts";
import type { UsageEvent, UsageQuery } from "../sessions/ledger/ledger.ts";
import { eachEvent } from "./each_event.ts";
import { UsageSum } from "./usage_sum.ts";

/** Events that one summary reads at most: it is one request among many. More than a ledger keeps unless it is told to. */
const MOST_EVENTS = 200_000;
const MONTH_MS = 30 * 86_400_000;

/** Events, newest first; with `group_by` their sums, by default of the last 30 days. */
export async function listUsage(context: RequestContext, services: Services): Promise<Response> {
  const query = queryOf(context);
  const page = pageOf(query);
  const filter = filterOf(query);
  const groupBy = wordOf(query, "group_by", ["model", "day", "user", "key"]);
  if (groupBy === undefined) {
    const events = await read(context, services, { ...filter, ...page });
    return pageAnswer(context, page, events.map((event) => usageBody(event)));
  }
  const sum = new UsageSum(groupBy);
  const range = { from: Math.max(0, context.clock.now() - MONTH_MS), ...filter };
  const all = await eachEvent(
    (query) => read(context, services, query),
    range,
    MOST_EVENTS,
    (event) => sum.add(event),
  );
  if (!all) throw tooMany();
  return json(sum.groups());
}

async function read(
  context: RequestContext,
  services: Services,
  query: UsageQuery,
): Promise<UsageEvent[]> {
  return await askLedger(services, (ledger) => ledger.listUsage(context.principal.org, query));
}

function filterOf(query: URLSearchParams): UsageQuery {
  const sessionId = query.get("session_id");
  if (sessionId !== null && !isSessionId(sessionId)) {
    throw invalidQuery("session_id", "expected sess_ and 26 of [0-9a-z]");
  }
  const from = query.get("from");
  const to = query.get("to");
  return {
    ...(sessionId === null ? {} : { sessionId }),
    ...(from === null ? {} : { from: parseTime(from, "from") }),
    ...(to === null ? {} : { to: parseTime(to, "to") }),
  };
}

function tooMany(): SynthError {
  return new SynthError(`There are more than ${MOST_EVENTS} events in this time`, {
    code: "usage_range_too_large",
    status: 400,
    param: "from",
    hint: "Ask for a shorter time with from and to, or for one session",
  });
}
