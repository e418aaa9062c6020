/**
 * What all other owners of a row hold of it, asked one row at a time.
 */
import type { NodeId } from "../ports.js";
import { Birth } from "../replica/carriers.js";
import { bucketOfRow, partitionOfRow, placementOfRow } from "../replica/rows.js";
import type { RowAnswer } from "../wire/messages.js";
import type { SyncParts } from "./parts.js";

type OthersParts = Pick<SyncParts, "rpc" | "ring" | "votes" | "carriers" | "limits" | "latticeOf">;

export interface OthersAnswers {
  readonly answers: ReadonlyMap<NodeId, RowAnswer>;
  readonly birth: Birth;
  /** So many have answered that everything this owner ever acknowledged is among what they hold: see replica/votes.ts. */
  readonly isCovered: boolean;
  /** The same, of those alone that vote. */
  readonly doVotersCover: boolean;
}

/** `onAnswers` comes once; at once, and covering nothing, when there is nobody else. */
export function askOthers(parts: OthersParts, row: Uint8Array, onAnswers: (all: OthersAnswers) => void): void {
  const { rpc, ring, limits, carriers, latticeOf, votes } = parts;
  const [placement, partition] = [placementOfRow(row), partitionOfRow(row, ring.partitions)];
  const others = ring.ownersOf(placement, partition).filter((owner) => owner !== ring.self);
  const answers = new Map<NodeId, RowAnswer>();
  const birth = new Birth(carriers, latticeOf(bucketOfRow(row)));
  let left = others.length;
  if (left === 0) return onAnswers({ answers, birth, isCovered: false, doVotersCover: false });
  const finish = () => {
    const voters = new Set([...answers].filter(([, answer]) => answer.votes).map(([owner]) => owner));
    const isCovered = votes.isCovered(placement, partition, { synced: new Set(answers.keys()), voters });
    const doVotersCover = votes.isCovered(placement, partition, { synced: new Set(), voters });
    onAnswers({ answers, birth, isCovered, doVotersCover });
  };
  for (const owner of others) {
    rpc.call(owner, { kind: "read", rows: [row] }, limits.syncDeadlineMs, (reply) => {
      const answer = reply?.kind === "read-reply" ? reply.answers[0] : undefined;
      if (answer !== undefined && answer.status !== "damaged") answers.set(owner, answer);
      left--;
      if (left === 0) finish();
    });
  }
}
