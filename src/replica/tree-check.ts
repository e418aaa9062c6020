/**
 * The slow obvious way to know the sums of a hash tree: reading all rows.
 *
 * What the simulator and the tests hold the trees against.
 */
import type { Storage } from "../ports.js";
import { Leaves } from "./leaves.js";
import type { Merkle } from "./merkle.js";
import { ALL_ROWS } from "./rows.js";
import type { Owners } from "./votes.js";

/** The first sum that is not that of the durable rows; undefined when all are. Throws StorageDamage. */
export function treeFault(storage: Storage, owners: Owners, merkle: Merkle): string | undefined {
  const fresh = new Leaves(owners, merkle.shape.leaves);
  for (const { key, value } of storage.scan(ALL_ROWS.from, ALL_ROWS.to, Number.MAX_SAFE_INTEGER)) {
    fresh.change(key, undefined, value);
  }
  if (merkle.sums.equals(fresh)) return undefined;
  const [kept, read] = [merkle.sums.dump(), fresh.dump()];
  const line = kept.findIndex((sum, index) => sum !== read[index]);
  if (line >= 0) return `a tree has ${kept[line]}, its rows ${read[line] ?? "no such sum"}`;
  return kept.length === read.length ? undefined : `its rows have ${read[kept.length]}, a tree no such sum`;
}
