import { SynthError } from "@synth/core";
import { nearest } from "@synth/core/config";
import type { FreeObject } from "../contract/free_object.ts";
import type { TaskAppConfigInput } from "../contract/task_app_config.ts";

/** A task app that can be made by its name. */
export interface TaskAppEntry {
  readonly appId: string;
  readonly description: string;
  readonly configFactory: () => TaskAppConfigInput | Promise<TaskAppConfigInput>;
  /** Other names. @default {none} */
  readonly aliases?: readonly string[];
  /** Files of variables that it wants, read without overriding. @default {none} */
  readonly envFiles?: readonly string[];
  /** What the original keeps for a deployment on Modal; carried along. */
  readonly modal?: FreeObject;
}

/**
 * The task apps of this process, by id and alias.
 *
 * ```ts
 * import { TaskAppRegistry } from "@synth/task-app";
 *
 * const registry = new TaskAppRegistry();
 * registry.list(); // []
 * ```
 */
export class TaskAppRegistry {
  readonly #entries: Map<string, TaskAppEntry> = new Map();
  readonly #aliases: Map<string, string> = new Map();

  /** @throws {SynthError} 409 `task_app_exists` when the id or an alias is taken; nothing is registered then */
  register(entry: TaskAppEntry): void {
    const names = [entry.appId, ...entry.aliases ?? []];
    const taken = names.find((name, index) => this.has(name) || names.indexOf(name) !== index);
    if (taken !== undefined) {
      throw new SynthError(`There is a task app ${JSON.stringify(taken)} already`, {
        code: "task_app_exists",
        status: 409,
      });
    }
    this.#entries.set(entry.appId, entry);
    for (const alias of entry.aliases ?? []) this.#aliases.set(alias, entry.appId);
  }

  /** Whether there is a task app of this id or alias. */
  has(name: string): boolean {
    return this.#entries.has(name) || this.#aliases.has(name);
  }

  /** By id or alias. @throws {SynthError} 404 `task_app_not_found` */
  get(name: string): TaskAppEntry {
    const entry = this.#entries.get(this.#aliases.get(name) ?? name);
    if (entry !== undefined) return entry;
    const near = nearest(name, [...this.#entries.keys(), ...this.#aliases.keys()]);
    throw new SynthError(`There is no task app ${JSON.stringify(name.slice(0, 64))}`, {
      code: "task_app_not_found",
      status: 404,
      hint: near === null
        ? `Registered: ${this.list().map(({ appId }) => appId).join(", ") || "none"}`
        : `Did you mean ${near}?`,
    });
  }

  /** All, by id. */
  list(): TaskAppEntry[] {
    return [...this.#entries.values()].sort((a, b) => (a.appId < b.appId ? -1 : 1));
  }

  /** Forgets all. */
  clear(): void {
    this.#entries.clear();
    this.#aliases.clear();
  }
}

/** The registry that a file fills by registering its task app when it is imported. */
export const taskApps: TaskAppRegistry = new TaskAppRegistry();

/** Registers a task app in {@linkcode taskApps}. @throws {SynthError} 409 `task_app_exists` */
export function registerTaskApp(entry: TaskAppEntry): void {
  taskApps.register(entry);
}
