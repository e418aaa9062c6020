/**
 * The proof that nothing is apart: all owners of a row hold it, byte for byte.
 * Asked of simulated disks and of the files of real processes alike.
 */
import { bytesToMapKey, equalBytes } from "../base/bytes.js";
import type { Layout } from "../membership/layout.js";
import type { NodeId, Row } from "../ports.js";
import { partitionOfRow, placementOfRow } from "../replica/rows.js";

/** The first row, in hexadecimal, whose owners do not all hold the same; undefined when there is none. */
export function differingRow(
  stored: ReadonlyMap<NodeId, readonly Row[]>,
  { owners, partitions }: Layout,
): string | undefined {
  const rows = new Map<string, Map<NodeId, Uint8Array>>();
  for (const [node, held] of stored) {
    for (const { key, value } of held) {
      const name = bytesToMapKey(key);
      rows.set(name, (rows.get(name) ?? new Map()).set(node, value));
    }
  }
  for (const [name, held] of rows) {
    const row = Buffer.from(name, "latin1");
    const ids = owners[placementOfRow(row)]?.[partitionOfRow(row, partitions)] ?? [];
    const [first, ...others] = ids.map((id) => held.get(id));
    const isEqual = first !== undefined && others.every((other) => other !== undefined && equalBytes(first, other));
    if (!isEqual) return `row ${row.toString("hex")} differs among ${ids.join(", ")}`;
  }
  return undefined;
}
