/** The part of the description that is about sessions, keys, usage and prices. @module */
import {
  IncreaseRequestSchema,
  KeyRequestSchema,
  KeySchema,
  LeaseEndSchema,
  LeaseRenewalSchema,
  LeaseRequestSchema,
  LeaseSchema,
  LeaseUseSchema,
  LimitRequestSchema,
  LimitSchema,
  MeSchema,
  NewKeySchema,
  OrgLimitsRequestSchema,
  PricingSchema,
  RenewedLeaseSchema,
  RevokedKeySchema,
  RotateRequestSchema,
  SessionRequestSchema,
  SessionSchema,
  UsageGroupSchema,
  UsageRecordSchema,
  UsageRequestSchema,
} from "@synth/core/api";
import {
  describePaths,
  type JsonObject,
  type Operation,
  type OperationLine,
  type Protect,
} from "./operations.ts";

/** The schemas that {@linkcode sessionPaths} refers to. */
export const SESSION_SCHEMAS = {
  SessionRequest: SessionRequestSchema,
  Session: SessionSchema,
  LimitRequest: LimitRequestSchema,
  Limit: LimitSchema,
  IncreaseRequest: IncreaseRequestSchema,
  LeaseRequest: LeaseRequestSchema,
  LeaseUse: LeaseUseSchema,
  LeaseRenewal: LeaseRenewalSchema,
  Lease: LeaseSchema,
  LeaseEnd: LeaseEndSchema,
  RenewedLease: RenewedLeaseSchema,
  UsageRequest: UsageRequestSchema,
  UsageRecord: UsageRecordSchema,
  UsageGroup: UsageGroupSchema,
  Me: MeSchema,
  Pricing: PricingSchema,
  KeyRequest: KeyRequestSchema,
  RotateRequest: RotateRequestSchema,
  Key: KeySchema,
  NewKey: NewKeySchema,
  RevokedKey: RevokedKeySchema,
  OrgLimitsRequest: OrgLimitsRequestSchema,
} as const;

type Name = keyof typeof SESSION_SCHEMAS;

const PAGE = ["limit", "offset"] as const;
const S = "Needs the scope `sessions`.";
const A = "Needs the scope `admin`.";
const LIMIT = "/limits";
const RAISE = "/limits/increase";
const SESSION = "/api/v1/sessions/{id}";
const LEASE = `${SESSION}/leases/{lease}`;
const KEY = "/api/v1/keys/{id}";
const ORG = "/api/v1/orgs/self";

function limitsOf(whose: string, scope: string): Record<"list" | "add" | "raise", Operation<Name>> {
  return {
    list: { summary: `List ${whose} limits`, description: scope, answer: ["Limit"] },
    add: {
      summary: `Add one of ${whose} limits`,
      description: `${scope} A limit that is used up already refuses from now on.`,
      body: "LimitRequest",
      answer: "Limit",
      creates: true,
      repeatable: true,
    },
    raise: {
      summary: `Raise one of ${whose} limits`,
      description: scope,
      body: "IncreaseRequest",
      answer: "Limit",
      repeatable: true,
    },
  };
}

const ofSession = limitsOf("a session's", S);
const ofKey = limitsOf("a key's", A);
const ofOrg = limitsOf("the org's", A);

const OPERATIONS: readonly OperationLine<Name>[] = [
  ["get", "/api/v1/me", { summary: "Who is asking", description: "For any key.", answer: "Me" }],
  ["post", "/api/v1/sessions", {
    summary: "Open a session",
    description:
      `${S} Without \`limits\` it has the configured cost limit; with an empty list none.`,
    body: "SessionRequest",
    bodyOptional: true,
    answer: "Session",
    creates: true,
    repeatable: true,
  }],
  ["get", "/api/v1/sessions", {
    summary: "List the org's sessions, newest first",
    description: S,
    answer: ["Session"],
    query: [...PAGE, "status", "active", "user_id"],
  }],
  ["get", SESSION, { summary: "Get a session", description: S, answer: "Session" }],
  ["post", `${SESSION}/end`, {
    summary: "End a session",
    description: `${S} One that is over is 400 \`session_not_active\`.`,
    answer: "Session",
    repeatable: true,
  }],
  ["post", `${SESSION}/heartbeat`, {
    summary: "Keep a session from expiring for idleness",
    description: `${S} Any request of the session does the same.`,
    answer: "Session",
  }],
  ["get", SESSION + LIMIT, ofSession.list],
  ["post", SESSION + LIMIT, ofSession.add],
  ["post", SESSION + RAISE, ofSession.raise],
  ["get", `${SESSION}/usage`, {
    summary: "List what a session used, newest first",
    description: S,
    answer: ["UsageRecord"],
    query: [...PAGE, "metric_type"],
  }],
  ["post", `${SESSION}/usage`, {
    summary: "Count usage that the gateway did not see",
    description: `${S} Once for each \`reference_id\`.`,
    body: "UsageRequest",
    answer: "UsageRecord",
    creates: true,
    repeatable: true,
  }],
  ["post", `${SESSION}/leases`, {
    summary: "Set GPU time aside for a job",
    description: `${S} What is not settled when the lease expires is charged whole.`,
    body: "LeaseRequest",
    answer: "Lease",
    creates: true,
    repeatable: true,
  }],
  ["post", `${LEASE}/settle`, {
    summary: "Charge what a lease was used for",
    description: `${S} Without a body: all that it holds. Sent again it changes nothing.`,
    body: "LeaseUse",
    bodyOptional: true,
    answer: "LeaseEnd",
  }],
  ["post", `${LEASE}/release`, {
    summary: "Give a lease back unused",
    description: `${S} The answer has no amounts.`,
    answer: "LeaseEnd",
  }],
  ["post", `${LEASE}/renew`, {
    summary: "Settle a lease and take the next one",
    description: `${S} Sent again it gives the same next lease.`,
    body: "LeaseRenewal",
    answer: "RenewedLease",
  }],
  ["get", "/api/v1/usage", {
    summary: "List the org's usage, newest first",
    description: `${S} With \`group_by\` (model, day, user or key) its sums as UsageGroups.`,
    answer: ["UsageRecord"],
    query: [...PAGE, "session_id", "from", "to", "group_by"],
  }],
  ["get", "/api/v1/pricing", {
    summary: "What models cost",
    description: "For any key.",
    answer: "Pricing",
  }],
  ["post", "/api/v1/keys", {
    summary: "Make a key",
    description: `${A} The answer is the only place where the key itself is ever shown.`,
    body: "KeyRequest",
    bodyOptional: true,
    answer: "NewKey",
    creates: true,
  }],
  ["get", "/api/v1/keys", {
    summary: "List the org's keys, newest first",
    description: `${A} Pages go by the cursor in \`Link\`.`,
    answer: ["Key"],
    query: ["limit", "cursor"],
  }],
  ["post", `${KEY}/rotate`, {
    summary: "Put a new key in the place of one",
    description: A,
    body: "RotateRequest",
    bodyOptional: true,
    answer: "NewKey",
  }],
  ["delete", KEY, { summary: "End a key", description: A, answer: "RevokedKey" }],
  ["get", KEY + LIMIT, ofKey.list],
  ["post", KEY + LIMIT, ofKey.add],
  ["post", KEY + RAISE, ofKey.raise],
  ["get", ORG + LIMIT, ofOrg.list],
  ["put", ORG + LIMIT, {
    summary: "See to it that the org has these limits",
    description: `${A} Others stay; one of the same \`limit_id\` with other terms is a 409.`,
    body: "OrgLimitsRequest",
    answer: ["Limit"],
  }],
  ["post", ORG + LIMIT, ofOrg.add],
  ["post", ORG + RAISE, ofOrg.raise],
];

/** The paths. */
export function sessionPaths(protect: Protect): JsonObject {
  return describePaths(OPERATIONS, protect);
}
