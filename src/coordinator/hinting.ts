/**
 * Hinting: what a write does for owners that do not take it (Dynamo 4.6).
 *
 * For an owner known to be down the next healthy node beyond the owners stands
 * in, at once. For one that was silent to the end, or could not store it, the
 * coordinator keeps the state itself, and so it does when nobody can stand in.
 * Either is a hint and no row, and goes to its owner when that is back.
 */
import type { NodeId } from "../ports.js";
import { partitionOfRow, placementOfRow } from "../replica/rows.js";
import type { Entry } from "../wire/messages.js";
import type { Ask } from "./ask.js";
import type { CoordinatorParts } from "./parts.js";
import type { Owner } from "./plan.js";

type HintingParts = Pick<CoordinatorParts, "self" | "ring" | "isAlive">;

/** What a write wants to know of its hints. */
export interface HintingHost {
  /** Somebody is asked to keep a hint; one `onHint` will follow. */
  onHintAsked(): void;
  onHint(isKept: boolean): void;
}

export class Hinting {
  /** Owners for whom a hint is kept, or asked for. */
  private readonly covered = new Set<NodeId>();

  constructor(
    private readonly parts: HintingParts,
    private readonly ask: Ask,
    private readonly entry: Entry,
    private readonly host: HintingHost,
  ) {}

  /** The next healthy nodes keep the state for those of the owners that are down. */
  standIn(owners: readonly Owner[]): void {
    const down = owners.filter(({ alive, node }) => !alive && node !== this.parts.self);
    if (down.length === 0) return;
    const standIns = standInsFor(down, this.healthyOthers());
    for (const { node } of down) this.keep(standIns.get(node) ?? this.parts.self, node);
  }

  /** This owner did not take the state: it is kept here, unless it is kept already. */
  owe(owner: NodeId): void {
    if (owner !== this.parts.self && !this.covered.has(owner)) this.keep(this.parts.self, owner);
  }

  private keep(at: NodeId, owner: NodeId): void {
    this.covered.add(owner);
    this.host.onHintAsked();
    this.ask.askToKeep(at, { kind: "keep-hint", target: owner, entries: [this.entry] }, (isKept) => {
      if (!isKept) this.covered.delete(owner);
      if (!isKept && at !== this.parts.self) this.owe(owner);
      this.host.onHint(isKept);
    });
  }

  private healthyOthers(): Candidate[] {
    const { ring, isAlive } = this.parts;
    const { row } = this.entry;
    const others = ring.othersThan(placementOfRow(row), partitionOfRow(row, ring.partitions));
    return [...others].filter(isAlive).map((node) => ({ node, datacenter: ring.datacenterOf(node) }));
  }
}

type Candidate = Pick<Owner, "node" | "datacenter">;

/** Who stands in for whom: the first of the own datacenter that is free, else the first that is; nobody twice. Pure. */
export function standInsFor(down: readonly Candidate[], healthy: readonly Candidate[]): ReadonlyMap<NodeId, NodeId> {
  const free = [...healthy];
  const standIns = new Map<NodeId, NodeId>();
  for (const { node, datacenter } of down) {
    const near = free.findIndex((candidate) => candidate.datacenter === datacenter);
    const [standIn] = free.splice(Math.max(0, near), 1);
    if (standIn !== undefined) standIns.set(node, standIn.node);
  }
  return standIns;
}
