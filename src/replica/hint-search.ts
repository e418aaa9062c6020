/**
 * Which hints an earlier life of this node has left, found by a scan.
 *
 * A slice per turn, so that a node with many hints serves meanwhile. A hint that
 * is damaged is dropped: its owner gets that write by sync.
 */
import { bytesToMapKey } from "../base/bytes.js";
import type { Limits } from "../config.js";
import { type NodeId, type Row, StorageDamage, type World } from "../ports.js";
import type { Hint } from "./hint-index.js";
import { ALL_HINTS, hintOfRecord, partsOfHintKey } from "./hint-record.js";
import { isRow, positionAfter } from "./rows.js";
import { type Owners, ownsAt } from "./votes.js";

export interface SearchParts {
  readonly world: World;
  readonly limits: Limits;
  readonly owners: Owners;
}

export function findHints(parts: SearchParts, onFound: (found: ReadonlyMap<NodeId, Hint[]>) => void): void {
  const found = new Map<NodeId, Hint[]>();
  searchFrom(parts, ALL_HINTS.from, found, () => onFound(found));
}

function searchFrom(parts: SearchParts, from: Uint8Array, found: Map<NodeId, Hint[]>, onEnd: () => void): void {
  const { world, limits } = parts;
  try {
    const rows = world.storage.scan(from, ALL_HINTS.to, limits.scanRowsMax, limits.scanBytesMax);
    const damaged = rows.filter((row) => !isAdded(parts, row, found));
    if (damaged.length > 0) drop(world, damaged);
    const last = rows.at(-1);
    if (last === undefined) onEnd();
    else world.clock.after(0, () => searchFrom(parts, positionAfter(last.key), found, onEnd));
  } catch (error) {
    if (!(error instanceof StorageDamage)) throw error;
    world.log.warn("some hints cannot be read; their owners get those writes by sync", { damage: error.message });
    onEnd();
  }
}

/** Whether the row is a hint for an owner that there is. */
function isAdded({ owners }: SearchParts, { key, value }: Row, found: Map<NodeId, Hint[]>): boolean {
  try {
    const { bornAtUs } = hintOfRecord(key, value);
    const { target, row } = partsOfHintKey(key);
    if (!isRow(row) || !ownsAt(owners, row, target)) return false;
    const hints = found.get(target) ?? [];
    hints.push({ mapKey: bytesToMapKey(row), bornAtUs, bytes: value.length, first: 0, last: 0 });
    found.set(target, hints);
    return true;
  } catch (error) {
    if (!(error instanceof StorageDamage)) throw error;
    return false;
  }
}

function drop({ meter, storage }: World, rows: readonly Row[]): void {
  meter.count("murmur_hints_dropped_total", { reason: "damaged" }, rows.length);
  storage.commit(
    rows.map(({ key }) => ({ key, value: undefined })),
    () => {},
  );
}
