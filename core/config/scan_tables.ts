/** Which tables a TOML document has defined so far, and how: what may be defined again depends on it. @module */

/** How a node came to be. `implicit`: as the parent in a header; `dotted`: as the parent in a dotted key. */
type Kind = "value" | "header" | "implicit" | "dotted" | "list";

interface Node {
  kind: Kind;
  readonly children: Map<string, Node>;
}

/** A table that keys can be added to. */
export interface OpenTable {
  readonly node: Node;
  readonly path: readonly (string | number)[];
}

/** Follows the rules of TOML about defining a thing twice. A method answers `null` for a redefinition. */
export class TableTree {
  readonly #root: Node = make("header");
  readonly #counts: Map<Node, number> = new Map();

  /** The table that keys before the first header go to. */
  get root(): OpenTable {
    return { node: this.#root, path: [] };
  }

  /** `[a.b]` or, as a list, `[[a.b]]`. */
  open(keys: readonly string[], list: boolean): OpenTable | null {
    let node = this.#root;
    const path: (string | number)[] = [];
    for (const key of keys.slice(0, -1)) {
      path.push(key);
      const next = node.children.get(key) ?? adopt(node, key, "implicit");
      if (next.kind === "value") return null;
      node = this.#last(next, path);
    }
    const key = keys.at(-1) ?? "";
    path.push(key);
    const known = node.children.get(key);
    if (list) return this.#append(node, key, known, path);
    if (known === undefined) return { node: adopt(node, key, "header"), path };
    if (known.kind !== "implicit") return null;
    known.kind = "header";
    return { node: known, path };
  }

  /** `a.b = ` inside `table`. The path of the new value, and its node for an inline table. */
  assign(table: OpenTable, keys: readonly string[]): OpenTable | null {
    let node = table.node;
    for (const key of keys.slice(0, -1)) {
      const next = node.children.get(key) ?? adopt(node, key, "dotted");
      if (next.kind !== "dotted") return null;
      node = next;
    }
    const key = keys.at(-1) ?? "";
    if (node.children.has(key)) return null;
    return { node: adopt(node, key, "value"), path: [...table.path, ...keys] };
  }

  /** A table inside an array, which nothing else can reach. */
  detached(path: readonly (string | number)[]): OpenTable {
    return { node: make("value"), path };
  }

  #append(
    parent: Node,
    key: string,
    known: Node | undefined,
    path: (string | number)[],
  ): OpenTable | null {
    if (known !== undefined && known.kind !== "list") return null;
    const list = known ?? adopt(parent, key, "list");
    const index = this.#counts.get(list) ?? 0;
    this.#counts.set(list, index + 1);
    const element = make("header");
    list.children.set(String(index), element);
    return { node: element, path: [...path, index] };
  }

  /** The element of a list that was added last; another node is itself. */
  #last(node: Node, path: (string | number)[]): Node {
    const count = this.#counts.get(node);
    if (count === undefined) return node;
    path.push(count - 1);
    return node.children.get(String(count - 1)) ?? node;
  }
}

function make(kind: Kind): Node {
  return { kind, children: new Map() };
}

function adopt(parent: Node, key: string, kind: Kind): Node {
  const node = make(kind);
  parent.children.set(key, node);
  return node;
}
