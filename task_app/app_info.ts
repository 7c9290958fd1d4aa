/** What the metadata of a task app says about it; `null` where it says nothing. */
export interface ExtractedAppInfo {
  /** `service.task.id` */
  app_id: string | null;
  /** `service.task.name` */
  task_name: string | null;
  /** `dataset.id` */
  dataset_id: string | null;
  /** `service.task.version` */
  version: string | null;
}

/** The names in what `GET /info` answered. What is malformed is `null`. */
export function extractAppInfo(metadata: { readonly [key: string]: unknown }): ExtractedAppInfo {
  const task = member(member(metadata, "service"), "task");
  return {
    app_id: text(member(task, "id")),
    task_name: text(member(task, "name")),
    dataset_id: text(member(member(metadata, "dataset"), "id")),
    version: text(member(task, "version")),
  };
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return Reflect.get(value, name);
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
