import { type Json, SynthError } from "@synth/core";
import type {
  CustomTool,
  FunctionTool,
  KnownTool,
  NamespaceTool,
  OtherTool,
  ResponsesTool,
  ToolSearchTool,
} from "@synth/core/api";
import type { ChatTool } from "../chat.ts";
import type { ToolKind } from "../plan.ts";
import type { UpstreamProfile } from "../profile.ts";
import { BUILT_INS } from "./built_ins.ts";
import { flatName } from "./flat_name.ts";
import { sameDefinition } from "./same_definition.ts";

/** Where a tool was declared: in `tools` of the request, in an item of its input, or in one of a response before it. */
export type ToolOrigin = "body" | "input" | "history";

/** One callable, as it was collected. */
export interface ToolEntry {
  readonly upstreamName: string;
  readonly kind: ToolKind;
  readonly name: string;
  readonly namespace: string | null;
  readonly chat: ChatTool;
  /** As the client declared it. */
  readonly source: ResponsesTool;
  readonly origin: ToolOrigin;
  /** Where it was declared, for errors. */
  readonly path: string;
  /** Held back until a search returns it. */
  deferred: boolean;
}

/** How many tools a request may bring, and how large they may be. */
export interface ToolLimits {
  readonly tools: number;
  /** Characters of a name or a namespace. */
  readonly name: number;
  /** Characters of one parameter schema as JSON. */
  readonly schema: number;
}

const DEFAULT_LIMITS: ToolLimits = { tools: 512, name: 256, schema: 256 * 1024 };
const GRAMMAR_LIMIT = 8_192;
const NO_PARAMETERS: Json = { type: "object", properties: {} };
const FREEFORM_PARAMETERS: Json = {
  type: "object",
  properties: { input: { type: "string" } },
  required: ["input"],
  additionalProperties: false,
};
const SEARCH_PARAMETERS: Json = {
  type: "object",
  properties: { query: { type: "string" }, limit: { type: "integer" } },
  required: ["query"],
};

/** All tools of one request, by the name that the upstream sees. */
export class ToolBook {
  readonly #profile: UpstreamProfile;
  readonly #limits: ToolLimits;
  readonly #entries = new Map<string, ToolEntry>();
  /** The member that carries the description of its namespace. */
  readonly #described = new Map<string, string>();
  #origin: ToolOrigin = "body";
  readonly #dropped = new Set<string>();

  constructor(profile: UpstreamProfile, limits: Partial<ToolLimits> = {}) {
    this.#profile = profile;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
  }

  /** Everything that was declared, in order. */
  get entries(): ReadonlyMap<string, ToolEntry> {
    return this.#entries;
  }

  /** Types of the tools that are not carried. */
  get dropped(): readonly string[] {
    return [...this.#dropped];
  }

  /** Notes a tool type that is not carried. */
  drop(type: string): void {
    this.#dropped.add(headerToken(type));
  }

  /**
   * Adds a list of declarations.
   *
   * @param loaded true for what a search returned: such tools are offered although they say `defer_loading`
   * @throws {SynthError} 400 `tool_name_collision`, `string_above_max_length`, `array_above_max_length`
   */
  add(
    tools: readonly ResponsesTool[],
    path: string,
    loaded = false,
    origin: ToolOrigin = "body",
  ): void {
    this.#origin = origin;
    for (let index = 0; index < tools.length; index++) {
      this.#addOne(tools[index]!, `${path}[${index}]`, loaded);
    }
  }

  /** What is offered: deferred tools only if nothing could search for them. */
  offered(): ToolEntry[] {
    const all = [...this.#entries.values()];
    if (!all.some((entry) => entry.kind === "tool_search")) return all;
    return all.filter((entry) => !entry.deferred);
  }

  #addOne(tool: ResponsesTool, path: string, loaded: boolean): void {
    const known = tool as KnownTool;
    switch (known.type) {
      case "function":
      case "custom":
        this.#put(this.#member(known, null, null, path, loaded));
        break;
      case "namespace":
        this.#addNamespace(known, path, loaded);
        break;
      case "tool_search":
        this.#addSearch(known, path);
        break;
      default:
        this.#addOther(tool as OtherTool, path);
    }
  }

  #addNamespace(tool: NamespaceTool, path: string, loaded: boolean): void {
    this.#checkName(tool.name, `${path}.name`);
    for (let index = 0; index < tool.tools.length; index++) {
      const member = tool.tools[index]!;
      this.#put(
        this.#member(member, tool.name, tool.description, `${path}.tools[${index}]`, loaded),
      );
    }
  }

  #addSearch(tool: ToolSearchTool, path: string): void {
    if ((tool.execution ?? "server") !== "client") {
      this.drop("tool_search");
      return;
    }
    this.#put({
      ...this.#function(
        "tool_search",
        "tool_search",
        tool.description ?? "Finds tools that are not loaded yet.",
        (tool.parameters ?? SEARCH_PARAMETERS) as Json,
        path,
        tool,
      ),
    });
  }

  #addOther(tool: OtherTool, path: string): void {
    const builtIn = BUILT_INS.get(tool.type);
    const environment = tool["environment"] as { type?: unknown } | null | undefined;
    const hosted = environment !== null && environment !== undefined &&
      environment.type !== "local";
    if (builtIn === undefined || hosted) {
      this.drop(tool.type);
      return;
    }
    this.#put(
      this.#function(tool.type, builtIn.kind, builtIn.description, builtIn.parameters, path, {
        type: tool.type,
      }),
    );
  }

  #function(
    name: string,
    kind: ToolKind,
    description: string,
    parameters: Json,
    path: string,
    source: ResponsesTool,
  ): ToolEntry {
    const chat: ChatTool = { type: "function", function: { name, description, parameters } };
    const origin = this.#origin;
    const upstreamName = name;
    return {
      upstreamName,
      kind,
      name,
      namespace: null,
      chat,
      source,
      origin,
      path,
      deferred: false,
    };
  }

  #member(
    tool: FunctionTool | CustomTool,
    namespace: string | null,
    about: string | null | undefined,
    path: string,
    loaded: boolean,
  ): ToolEntry {
    this.#checkName(tool.name, `${path}.name`);
    const upstreamName = flatName(namespace, tool.name);
    const description = this.#describe(
      tool.description ?? "",
      namespace,
      about ?? "",
      upstreamName,
    );
    return {
      upstreamName,
      kind: tool.type,
      name: tool.name,
      namespace,
      chat: tool.type === "function"
        ? this.#functionTool(tool, upstreamName, description, path)
        : this.#customTool(tool, upstreamName, description),
      source: tool,
      origin: this.#origin,
      path,
      deferred: tool.defer_loading === true && !loaded,
    };
  }

  /** The first member of a namespace carries the namespace's description: repeating it would cost at each member. */
  #describe(own: string, namespace: string | null, about: string, member: string): string {
    if (namespace === null || about === "") return own;
    if ((this.#described.get(namespace) ?? member) !== member) return own;
    this.#described.set(namespace, member);
    return own === "" ? `[${namespace}] ${about}` : `[${namespace}] ${about}\n\n${own}`;
  }

  #functionTool(tool: FunctionTool, name: string, description: string, path: string): ChatTool {
    const parameters = (tool.parameters ?? NO_PARAMETERS) as Json;
    this.#checkSchema(parameters, `${path}.parameters`);
    return {
      type: "function",
      function: {
        name,
        ...(description === "" ? {} : { description }),
        parameters,
        ...(this.#profile.strictField === "send" && typeof tool.strict === "boolean"
          ? { strict: tool.strict }
          : {}),
      },
    };
  }

  #customTool(tool: CustomTool, name: string, description: string): ChatTool {
    const format = tool.format ?? { type: "text" };
    const grammar = format.type === "grammar"
      ? { syntax: format.syntax ?? "lark", definition: format.definition ?? "" }
      : null;
    if (this.#profile.customTools === "native") {
      return {
        type: "custom",
        custom: {
          name,
          ...(description === "" ? {} : { description }),
          format: grammar === null ? { type: "text" } : { type: "grammar", grammar },
        },
      };
    }
    const lines = [description, "Pass the raw text in `input`."];
    if (grammar !== null) {
      lines.push(
        `The text must match this ${grammar.syntax} grammar:\n${
          grammar.definition.slice(0, GRAMMAR_LIMIT)
        }`,
      );
    }
    return {
      type: "function",
      function: {
        name,
        description: lines.filter((line) => line !== "").join("\n\n"),
        parameters: FREEFORM_PARAMETERS,
      },
    };
  }

  #put(entry: ToolEntry): void {
    const existing = this.#entries.get(entry.upstreamName);
    if (existing === undefined) {
      if (this.#entries.size >= this.#limits.tools) {
        throw refuse(
          `More than ${this.#limits.tools} tools`,
          "array_above_max_length",
          entry.path,
        );
      }
      this.#entries.set(entry.upstreamName, entry);
      return;
    }
    const same = existing.kind === entry.kind && existing.name === entry.name &&
      (existing.namespace ?? "functions") === (entry.namespace ?? "functions");
    const changed = !sameDefinition(existing.source, entry.source);
    if (!same || (changed && entry.origin === "body")) {
      throw refuse(
        `Two tools have the upstream name '${entry.upstreamName}': ${label(existing)} and ${
          label(entry)
        }`,
        "tool_name_collision",
        entry.path,
      );
    }
    if (!entry.deferred) existing.deferred = false;
    // A tool that an item declares anew may have changed in a long session (an MCP server that was updated): the latest
    // declaration counts, and `tools` of the request is later than what came in responses before it.
    if (changed && !(existing.origin === "body" && entry.origin === "history")) {
      this.#entries.set(entry.upstreamName, { ...entry, deferred: existing.deferred });
    }
  }

  #checkName(name: string, path: string): void {
    if (name.length > this.#limits.name) {
      throw refuse(
        `A tool name has ${name.length} characters; at most ${this.#limits.name} are accepted`,
        "string_above_max_length",
        path,
      );
    }
  }

  #checkSchema(schema: Json, path: string): void {
    let size = Infinity;
    try {
      size = JSON.stringify(schema).length;
    } catch {
      // Nested deeper than the stack: as unusable as one that is too large.
    }
    if (size > this.#limits.schema) {
      throw refuse(
        `A parameter schema is larger than ${this.#limits.schema} characters`,
        "string_above_max_length",
        path,
      );
    }
  }
}

function label(entry: ToolEntry): string {
  const name = entry.namespace === null ? entry.name : `${entry.namespace}.${entry.name}`;
  return `${entry.kind} '${name}' (${entry.path})`;
}

function refuse(message: string, code: string, param: string): SynthError {
  return new SynthError(message, { code, status: 400, param });
}

/** A word that can stand in a header. */
export function headerToken(text: string): string {
  return text.slice(0, 64).replace(/[^A-Za-z0-9_.:[\]-]/g, "_");
}
