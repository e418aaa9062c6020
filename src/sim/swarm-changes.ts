/**
 * What clients do with siblings, counters, sets and maps. Only some runs have them: a change that an owner mints costs more.
 *
 * They ask at the levels of the run's registers. They are drawn apart from these, so that a seed's other steps are
 * the same with and without them.
 */
import { below, between, fraction, happens, pick, type Random } from "../base/random.js";
import type { Level } from "../config.js";
import { forgettingIds, isForgetful } from "./forgetting.js";
import { COUNTERS, PAIR, REGISTERS, REMOVABLE, SETS } from "./map-fields.js";
import type { Change, FieldEdit, MintedType, Shape, Step } from "./script.js";

const CHANCE = 0.4;
/** Of the other runs: a map does what the others do, at once, and has its runs alone. */
const MAP_CHANCE = 0.2;
const CLIENTS = 4;
const CHANGES_MAX = 400;
/** One of these does what several others do. */
const EDITS_MAX = 200;
/** Whoever names a change tries it until he knows. */
const NAMED_RETRIES = 3;
const TTL_MS_MAX = 5000;
const ELEMENTS = ["a", "b", "c", "d", "e", "f"];
/** Keys are numbered through all types, and registers come first. */
const FIRST_KEY: Readonly<Record<MintedType, number>> = { siblings: 1000, counter: 2000, set: 3000, map: 4000 };
const DRAWN_TOGETHER = ["siblings", "counter", "set"] as const;

interface Mix {
  readonly types: readonly MintedType[];
  readonly levels: readonly Level[];
  readonly keys: number;
  readonly readShare: number;
  readonly deleteShare: number;
  /** Of the clients: those whose changes carry contexts and whose reads mend. */
  readonly carefulShare: number;
  readonly retries: number;
}

export interface DrawnChanges {
  readonly steps: readonly Step[];
  readonly shape: Shape;
}

export function drawChanges(
  random: Random,
  shape: Shape,
  operations: readonly Step[],
  durationMs: number,
): DrawnChanges {
  const types = drawTypes(random);
  if (types.length === 0) return { steps: [], shape };
  const mix: Mix = {
    types,
    levels: levelsOf(operations),
    keys: pick(random, [1, 3, 12]),
    readShare: pick(random, [0.2, 0.5]),
    deleteShare: pick(random, [0, 0.05, 0.2]),
    carefulShare: pick(random, [0, 0.5, 0.9, 1]),
    retries: pick(random, [0, 0, 2]),
  };
  const gapMs = Math.max(pick(random, [40, 100]), durationMs / (types.includes("map") ? EDITS_MAX : CHANGES_MAX));
  const steps: Step[] = [];
  for (let atMs = 0; atMs < durationMs; atMs += 2 * gapMs * fraction(random)) {
    // Several at once are what sees half of one another.
    for (let count = happens(random, 0.1) ? 4 : 1; count > 0; count--)
      steps.push({ atMs, deed: { change: drawChange(random, shape, mix) } });
  }
  const siblingsMax = pick(random, [100, 100, 6]);
  return { steps, shape: { ...shape, limits: { ...shape.limits, siblingsMax } } };
}

function drawTypes(random: Random): readonly MintedType[] {
  if (happens(random, CHANCE)) return happens(random, 0.5) ? DRAWN_TOGETHER : [pick(random, DRAWN_TOGETHER)];
  return happens(random, MAP_CHANCE) ? ["map"] : [];
}

/** In some runs, clients name changes, so that what they try again counts once. */
export function withIds(random: Random, { steps, shape }: DrawnChanges, swarm: readonly string[]): DrawnChanges {
  const share = pick(random, [0, 0, 0.5, 1]);
  if (share === 0) return { steps, shape };
  const namedSteps = steps.map((step) => (happens(random, share) ? named(step) : step));
  // Who stands still for long may ask again when an id is forgotten.
  const mayForget = isForgetful(shape) && !swarm.includes("pause");
  return { steps: namedSteps, shape: mayForget ? forgettingIds(random, shape) : shape };
}

function named(step: Step): Step {
  if (!("change" in step.deed) || !isNameable(step.deed.change)) return step;
  return { ...step, deed: { change: { ...step.deed.change, isNamed: true, retries: NAMED_RETRIES } } };
}

/** A counter that is removed twice under one id is not told from one that is removed once: the model counts no such ids. */
function isNameable({ kind, fields = [] }: Change): boolean {
  if (kind === "edit-map") return fields.every(({ kind }) => kind !== "remove");
  return kind === "add" || kind === "put" || kind === "edit-set";
}

/** In some runs, some siblings expire. */
export function withExpiry(random: Random, { steps, shape }: DrawnChanges): DrawnChanges {
  const share = pick(random, [0, 0, 0.3]);
  const expiring = (step: Step): Step => {
    if (!("change" in step.deed) || step.deed.change.kind !== "put") return step;
    return { ...step, deed: { change: { ...step.deed.change, ttlMs: between(random, 100, TTL_MS_MAX) } } };
  };
  return { steps: steps.map((step) => (happens(random, share) ? expiring(step) : step)), shape };
}

/** Those that the run's registers are written at. */
function levelsOf(operations: readonly Step[]): readonly Level[] {
  const levels = new Set<Level>();
  for (const { deed } of operations) if ("operation" in deed) levels.add(deed.operation.level);
  return levels.size === 0 ? ["QUORUM"] : [...levels];
}

function drawChange(random: Random, { nodes }: Shape, mix: Mix): Change {
  const type = pick(random, mix.types);
  const isRead = happens(random, mix.readShare);
  const number = below(random, mix.keys);
  const isDelete = happens(random, mix.deleteShare) && isDeleted(type, number);
  const level = pick(random, mix.levels);
  const isCareful = happens(random, mix.carefulShare);
  const request = {
    type,
    client: below(random, CLIENTS),
    node: below(random, nodes),
    retries: mix.retries,
    key: FIRST_KEY[type] + number,
    // A read has no use for ANY.
    level: isRead && level === "ANY" ? "ONE" : level,
    deadlineMs: pick(random, [100, 1000, 2000, 2000]),
    isAware: isCareful,
    mend: isCareful,
  } as const;
  if (isRead) return { ...request, kind: "read" };
  return isDelete ? { ...request, kind: "delete" } : { ...request, ...drawWish(random, type, number) };
}

/** Most counters are never deleted: what they count is known more exactly. */
function isDeleted(type: MintedType, number: number): boolean {
  return type !== "counter" || number % 3 === 2;
}

type Wish = Pick<Change, "kind" | "by" | "add" | "remove" | "fields">;

function drawWish(random: Random, type: MintedType, number: number): Wish {
  if (type === "map") return { kind: "edit-map", fields: drawFields(random) };
  if (type === "siblings") return { kind: "put" };
  if (type === "counter") {
    const by = 1 + below(random, 9);
    return { kind: "add", by: number % 3 === 1 && happens(random, 0.5) ? -by : by };
  }
  const element = pick(random, ELEMENTS);
  const other = pick(random, ELEMENTS);
  const isRemove = happens(random, 0.4);
  const add = isRemove ? [] : [element];
  const remove = isRemove ? [element] : happens(random, 0.2) && other !== element ? [other] : [];
  return { kind: "edit-set", add, remove };
}

/** Of one edit, no field is in two. */
function drawFields(random: Random): FieldEdit[] {
  if (happens(random, 0.2)) {
    const kind = happens(random, 0.7) ? "set" : "remove";
    return PAIR.map((field) => ({ kind, field }));
  }
  if (happens(random, 0.2)) return [{ kind: "remove", field: pick(random, REMOVABLE) }];
  const edits: FieldEdit[] = [];
  if (happens(random, 0.5)) edits.push({ kind: "set", field: pick(random, REGISTERS) });
  if (happens(random, 0.5)) edits.push({ kind: "add", field: pick(random, COUNTERS), by: 1 + below(random, 9) });
  const kind = happens(random, 0.7) ? "put-in" : "take-out";
  if (edits.length === 0 || happens(random, 0.5))
    edits.push({ kind, field: pick(random, SETS), element: pick(random, ELEMENTS) });
  return edits;
}
