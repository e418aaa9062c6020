/**
 * The slow and obvious model of a map: everything that ever happened to any field, by its path, and what of it is gone.
 */
import { textOf } from "../../src/base/bytes.js";
import type { Change, EditMap } from "../../src/lattice/op.js";
import { dotOf, type Facts, leftOf, NO_FACTS, without } from "./dot-facts.js";

interface What {
  readonly path: readonly string[];
  readonly kind: "register" | "counter" | "set";
  /** A JSON text, a count, or an element. */
  readonly what: string;
}

export type Brought = What;

type FieldFacts = Facts<Brought>;

const isWithin = (path: readonly string[], { path: other }: What) => path.every((name, depth) => other[depth] === name);
const isField = (path: readonly string[], what: What) => what.path.length === path.length && isWithin(path, what);

export function changeFields(facts: FieldFacts, change: Change, seen: FieldFacts | undefined): FieldFacts {
  if (change.op.kind === "edit-map") return edited(facts, facts, change, change.op, seen ?? facts, []);
  return deleted(facts, seen ?? facts);
}

/** Counters are taken away as the owner knows them; of all else, what the client has seen. */
function deleted(facts: FieldFacts, seen: FieldFacts): FieldFacts {
  const known = [...seen.brought].filter(([, { kind }]) => kind !== "counter");
  const counters = without(facts, facts, ({ kind }) => kind === "counter");
  const gone = new Set([...counters.gone, ...known.map(([dot]) => dot)]);
  return { brought: new Map([...facts.brought, ...known]), gone };
}

/** `before` is what the owner knew when the change came: no part of it sees another. */
function edited(
  facts: FieldFacts,
  before: FieldFacts,
  change: Change,
  edit: EditMap,
  seen: FieldFacts,
  at: readonly string[],
): FieldFacts {
  let after = facts;
  const bring = (what: What) => {
    const key = `${dotOf(change)} ${what.path.join("/")} ${what.kind} ${what.what}`;
    after = { ...after, brought: new Map([...after.brought, [key, what]]) };
  };
  for (const name of edit.remove) {
    const path = [...at, name];
    after = without(after, seen, (what) => what.kind !== "counter" && isWithin(path, what));
    after = without(after, before, (what) => what.kind === "counter" && isWithin(path, what));
  }
  for (const [name, json] of edit.set) {
    const path = [...at, name];
    after = without(after, before, (what) => what.kind === "register" && isField(path, what));
    bring({ path, kind: "register", what: textOf(json) as string });
  }
  for (const [name, { by }] of edit.counters) bring({ path: [...at, name], kind: "counter", what: String(by) });
  for (const [name, { add, remove }] of edit.sets) {
    const path = [...at, name];
    const isElement = (what: What, names: readonly string[]) =>
      what.kind === "set" && isField(path, what) && names.includes(what.what);
    after = without(after, seen, (what) => isElement(what, remove));
    after = without(after, before, (what) => isElement(what, add));
    for (const text of add) bring({ path, kind: "set", what: text });
  }
  for (const [name, inner] of edit.maps) after = edited(after, before, change, inner, seen, [...at, name]);
  return after;
}

export function toldOfFields(after: FieldFacts, { op }: Change, seen: FieldFacts = NO_FACTS): FieldFacts {
  if (op.kind === "edit-map") return after;
  return leftOf(after).every(([dot, { kind }]) => kind === "counter" || seen.brought.has(dot)) ? after : seen;
}

/** What is to be shown, as JSON. */
export function jsonOfFacts(facts: FieldFacts): string {
  return jsonBelow(leftOf(facts), 0);
}

function jsonBelow(left: readonly [string, What][], depth: number): string {
  const names = [...new Set(left.map(([, { path }]) => path[depth] as string))];
  names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const shown = names.map((name) => {
    const all = left.filter(([, { path }]) => path[depth] === name);
    // Of several kinds that have the name, the one that was changed last. Facts come in the order of their dots.
    const kindAt = ({ path, kind }: What) => (path.length > depth + 1 ? "map" : kind);
    const kind = kindAt((all.at(-1) as [string, What])[1]);
    return `${JSON.stringify(name)}:${jsonOfField(
      kind,
      all.filter(([, what]) => kindAt(what) === kind),
      depth,
    )}`;
  });
  return `{${shown.join(",")}}`;
}

function jsonOfField(kind: string, left: readonly [string, What][], depth: number): string {
  if (kind === "map") return jsonBelow(left, depth + 1);
  const texts = left.map(([, { what }]) => what);
  if (kind === "register") return texts.at(-1) as string;
  if (kind === "counter") return String(texts.reduce((sum, by) => sum + Number(by), 0));
  return JSON.stringify([...new Set(texts)].sort());
}
