/**
 * YAML as plain values that remember where they stood, so that every mistake
 * can say file:line:column. Stricter than YAML where YAML is a trap: a key
 * given twice, a key that is no word, a tag, a second document.
 */
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type YAMLMap,
} from "yaml";

export type Path = readonly (string | number)[];

/** One thing wrong with a cluster file. */
export interface ConfigMistake {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The offending key, such as `nodes[1].http`. */
  readonly key: string;
  /** What was expected, what was found, and the remedy if one is known. */
  readonly sentence: string;
}

/** The one line by which a mistake is shown. */
export function mistakeLine(mistake: ConfigMistake): string {
  const { file, line, column, key, sentence } = mistake;
  return `${file}:${line}:${column}: ${key}: ${sentence}`;
}

/** Aliases may repeat a part of the file, but not blow it up. */
const NODES_MAX = 20_000;

/** One file: its values, where each stands, and what was found wrong so far. */
export class YamlFile {
  /** Plain values without prototypes; undefined when the text is not YAML at all. */
  readonly value: unknown;
  private readonly mistakes: ConfigMistake[] = [];
  private readonly lines = new LineCounter();
  private readonly keyOffsets = new Map<string, number>();
  private readonly valueOffsets = new Map<string, number>();
  private readonly document: Document;
  private nodes = 0;
  /** An alias leads nowhere: what would stand in its place is unknown. */
  private isTorn = false;

  constructor(
    readonly path: string,
    text: string,
  ) {
    const document = parseDocument(text, { lineCounter: this.lines, prettyErrors: false, uniqueKeys: false });
    this.document = document;
    for (const { message, pos } of [...document.errors, ...document.warnings]) {
      this.refuseAt(pos[0], "YAML", lowerFirst(message.split(";")[0] as string));
    }
    const value = this.mistakes.length === 0 ? this.read(document.contents, [], new Set()) : undefined;
    this.value = this.isTorn ? undefined : value;
  }

  /** Reports a mistake about the value at `path`, or about the place where it is missing. */
  refuse(path: Path, sentence: string): void {
    let known = path;
    while (known.length > 0 && !this.valueOffsets.has(identity(known))) known = known.slice(0, -1);
    this.refuseAt(this.valueOffsets.get(identity(known)) ?? 0, nameOf(path), sentence);
  }

  /** Reports a mistake about the key at `path` itself. */
  refuseKey(path: Path, sentence: string): void {
    this.refuseAt(this.keyOffsets.get(identity(path)) ?? 0, nameOf(path), sentence);
  }

  /** Everything found wrong, in the order of the file. */
  sortedMistakes(): ConfigMistake[] {
    return [...this.mistakes].sort((a, b) => a.line - b.line || a.column - b.column);
  }

  private refuseAt(offset: number, key: string, sentence: string): void {
    const { line, col } = this.lines.linePos(offset);
    this.mistakes.push({ file: this.path, line: Math.max(1, line), column: Math.max(1, col), key, sentence });
  }

  private read(node: unknown, path: Path, above: ReadonlySet<unknown>): unknown {
    if (isAlias(node)) return this.readAlias(node, path, above);
    this.nodes++;
    const start = (node as { range?: readonly number[] } | null)?.range?.[0];
    const written = !isScalar(node) || node.value !== null;
    if (start !== undefined && written) this.valueOffsets.set(identity(path), start);
    if (isScalar(node)) return node.value;
    if (isMap(node)) return this.readMap(node, path, new Set([...above, node]));
    if (!isSeq(node)) return null;
    const within = new Set([...above, node]);
    return node.items.map((item, index) => this.read(item, [...path, index], within));
  }

  private readMap(map: YAMLMap, path: Path, above: ReadonlySet<unknown>): object {
    const result = Object.create(null) as Record<string, unknown>;
    for (const { key, value } of map.items) {
      const start = isScalar(key) ? (key.range?.[0] ?? 0) : (map.range?.[0] ?? 0);
      if (!isScalar(key) || key.value === null || key.value === "__proto__") {
        this.refuseAt(start, nameOf(path), "expected a plain word as key");
        continue;
      }
      const name = String(key.value);
      const at = [...path, name];
      if (name in result) {
        const firstLine = this.lines.linePos(this.keyOffsets.get(identity(at)) ?? 0).line;
        this.refuseAt(start, nameOf(at), `expected once, found again; it stands in line ${firstLine} already`);
        continue;
      }
      this.keyOffsets.set(identity(at), start);
      this.valueOffsets.set(identity(at), start);
      result[name] = this.read(value, at, above);
    }
    return result;
  }

  private readAlias(alias: Alias, path: Path, above: ReadonlySet<unknown>): unknown {
    const target = alias.resolve(this.document);
    const sound = target !== undefined && !above.has(target) && this.nodes < NODES_MAX;
    if (sound) return this.read(target, path, above);
    this.isTorn = true;
    this.refuseAt(
      alias.range?.[0] ?? 0,
      nameOf(path),
      `expected an anchor &${alias.source} above and outside; write it out`,
    );
    return null;
  }
}

/** `nodes[1].http`, as a person would point at it. */
function nameOf(path: Path): string {
  const name = path.map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`)).join("");
  return name.replace(/^\./, "") || "the file";
}

function identity(path: Path): string {
  return path.join("\n");
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
