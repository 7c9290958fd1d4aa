/** The part of the description that is about task apps that announced themselves. @module */
import {
  AnnouncementRequestSchema,
  RegisteredTaskAppSchema,
  RemovedTaskAppSchema,
} from "@synth/core/api";
import { describePaths, type JsonObject, type OperationLine, type Protect } from "./operations.ts";

/** The schemas that {@linkcode registryPaths} refers to. */
export const REGISTRY_SCHEMAS = {
  AnnouncementRequest: AnnouncementRequestSchema,
  RegisteredTaskApp: RegisteredTaskAppSchema,
  RemovedTaskApp: RemovedTaskAppSchema,
} as const;

const S = "Needs the scope `sessions`.";
const TASK_APPS = "/api/v1/registry/task-apps";
const TASK_APP = `${TASK_APPS}/{id}`;

const OPERATIONS: readonly OperationLine<keyof typeof REGISTRY_SCHEMAS>[] = [
  ["get", TASK_APPS, {
    summary: "List the org's task apps that announced themselves, newest first",
    description: `${S} Pages go by the cursor in \`Link\`.`,
    answer: ["RegisteredTaskApp"],
    query: ["limit", "cursor"],
  }],
  ["get", TASK_APP, { summary: "Get one of them", description: S, answer: "RegisteredTaskApp" }],
  ["put", TASK_APP, {
    summary: "Announce a task app, or say that it still runs",
    description: `${S} An entry that is not renewed within its \`ttl_seconds\` is forgotten.`,
    body: "AnnouncementRequest",
    answer: "RegisteredTaskApp",
  }],
  ["delete", TASK_APP, {
    summary: "Take an entry away",
    description: `${S} With \`instance_id\`, only when it is that instance's.`,
    answer: "RemovedTaskApp",
    query: ["instance_id"],
  }],
];

/** The paths. */
export function registryPaths(protect: Protect): JsonObject {
  return describePaths(OPERATIONS, protect);
}
