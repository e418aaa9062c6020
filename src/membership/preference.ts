/**
 * Preference: the order of a partition's owners (Dynamo's preference list).
 *
 * Coordinators go to the first owner first, so every member is first in its
 * part of the partitions it owns. Who owned a partition before stays in front
 * of who has yet to receive it, as far as that balance allows.
 */
import { type Random, shuffled } from "../base/random.js";
import type { OwnerRows } from "./seats.js";

/** A first owner cedes to one who is first in so many partitions fewer than is due, compared with himself. */
const LEAD_MAX = 1 + 1e-9;

/** The same owners per partition, in the order in which they are preferred. */
export function inPreferenceOrder(
  owners: OwnerRows,
  members: number,
  previous: OwnerRows | undefined,
  random: Random,
): OwnerRows {
  const rows = owners.map((row, partition) => {
    const before = previous?.[partition];
    if (before === undefined) return shuffled(random, row);
    return [...before.filter((member) => row.includes(member)), ...row.filter((member) => !before.includes(member))];
  });
  balanceFirst(rows, members);
  return rows;
}

/**
 * Puts another owner first until that brings nobody nearer to what is due to both. Each time lowers the sum of
 * squared differences, so that it ends.
 */
function balanceFirst(rows: number[][], members: number): void {
  const lead = new Float64Array(members);
  for (const row of rows) {
    for (const member of row) lead[member] = (lead[member] as number) - 1 / row.length;
    lead[row[0] as number] = (lead[row[0] as number] as number) + 1;
  }
  for (let isSettled = false; !isSettled; ) {
    isSettled = true;
    for (const row of rows) {
      const first = row[0] as number;
      let least = 0;
      for (let at = 1; at < row.length; at++) {
        if ((lead[row[at] as number] as number) < (lead[row[least] as number] as number)) least = at;
      }
      const successor = row[least] as number;
      if ((lead[first] as number) - (lead[successor] as number) <= LEAD_MAX) continue;
      row.splice(least, 1);
      row.unshift(successor);
      lead[first] = (lead[first] as number) - 1;
      lead[successor] = (lead[successor] as number) + 1;
      isSettled = false;
    }
  }
}
