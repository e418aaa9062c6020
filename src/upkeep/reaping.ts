/**
 * Reaping: leads the owners of dead rows through the three steps of replica/reaper.ts.
 *
 * A row is led by its first owner in preference order. All owners must vote, so
 * when that one is down there is nothing to lead. It looks slowly through all that is stored, a slice at
 * a time: dead rows met for the first time are put to the first vote, those that
 * have waited long enough to the second, and what all agreed on twice is
 * forgotten, here last of all: a row that another owner still holds is met again.
 */

import { jitter } from "../base/random.js";
import { type Cancel, type NodeId, type Row, StorageDamage } from "../ports.js";
import { carriersGoneAfterMs } from "../replica/carriers.js";
import type { Reaper } from "../replica/reaper.js";
import { ALL_ROWS, partitionOfRow, placementOfRow, positionAfter } from "../replica/rows.js";
import type { Reap, ReapVote, ToForget } from "../wire/messages.js";
import { FirstVotes, type Voters } from "./first-votes.js";
import type { SyncParts } from "./parts.js";

type ReapingParts = Pick<SyncParts, "rpc" | "ring" | "limits" | "meter" | "clock" | "random" | "isAlive"> & {
  readonly storage: { scan(from: Uint8Array, to: Uint8Array, rowsMax: number, bytesMax: number): Row[] };
  readonly reaper: Reaper;
};

interface Candidate extends ToForget {
  readonly owners: readonly NodeId[];
}

/** A candidate on which every owner agreed. */
interface Agreed {
  readonly candidate: Candidate;
  readonly voters: Voters;
}

/** Of the time between two slices. */
export const REAP_INTERVAL_SPREAD = 0.2;

export class Reaping {
  private readonly firstVotes: FirstVotes;
  private cursor: Uint8Array = ALL_ROWS.from;
  private passStartedMs: number;
  /** Dead rows met in this pass. */
  private deadRows = 0;
  private cancelTick: Cancel | undefined;

  constructor(private readonly parts: ReapingParts) {
    const { limits, clock } = parts;
    this.firstVotes = new FirstVotes(carriersGoneAfterMs(limits), limits.reapRowsMax);
    this.passStartedMs = clock.nowMs();
  }

  /** Looks through one slice, and comes back. */
  tick(): void {
    const candidates = this.slice();
    if (candidates.length === 0) return this.comeBack();
    const nowMs = this.parts.clock.nowMs();
    const stageOf = (candidate: Candidate) => this.firstVotes.stageOf(candidate, nowMs);
    const due = candidates.filter((candidate) => stageOf(candidate) === "due");
    const unknown = candidates.filter((candidate) => stageOf(candidate) === "unknown");
    this.secondVote(due, () => this.firstVote(this.firstVotes.isFull ? [] : unknown, () => this.comeBack()));
  }

  private comeBack(): void {
    const { clock, random, limits } = this.parts;
    this.cancelTick = clock.after(jitter(random, limits.reapIntervalMs, REAP_INTERVAL_SPREAD), () => this.tick());
  }

  stop(): void {
    this.cancelTick?.();
  }

  /** What may be forgotten of the rows of the next slice that this node leads and whose owners are all there. */
  private slice(): Candidate[] {
    const { ring, isAlive } = this.parts;
    const candidates: Candidate[] = [];
    for (const { key: row, value: record } of this.nextRows()) {
      const owners = ring.ownersOf(placementOfRow(row), partitionOfRow(row, ring.partitions));
      const toForget = owners[0] === ring.self ? this.toForget(row, record) : undefined;
      if (toForget === undefined) continue;
      if (toForget.upToUs === 0) this.deadRows++;
      if (owners.every(isAlive)) candidates.push({ ...toForget, owners });
    }
    return candidates;
  }

  private nextRows(): Row[] {
    const { storage, limits } = this.parts;
    try {
      const rows = storage.scan(this.cursor, ALL_ROWS.to, limits.scanRowsMax, limits.scanBytesMax);
      const last = rows.at(-1);
      if (last === undefined) this.endPass();
      else this.cursor = positionAfter(last.key);
      return rows;
    } catch (error) {
      // What cannot be read is healed or it is not; what lies before it can be looked through again.
      if (!(error instanceof StorageDamage)) throw error;
      this.endPass();
      return [];
    }
  }

  private endPass(): void {
    const { meter, clock } = this.parts;
    meter.gauge("murmur_reap_waiting", this.deadRows);
    this.firstVotes.endPass(this.passStartedMs);
    this.cursor = ALL_ROWS.from;
    this.passStartedMs = clock.nowMs();
    this.deadRows = 0;
  }

  private toForget(row: Uint8Array, record: Uint8Array): ToForget | undefined {
    try {
      return this.parts.reaper.toForget(row, record, this.firstVotes.upToUs(row));
    } catch (error) {
      if (!(error instanceof StorageDamage)) throw error;
      return undefined;
    }
  }

  private firstVote(unknown: readonly Candidate[], onDone: () => void): void {
    this.poll(unknown, askVote, (agreed) => {
      const nowMs = this.parts.clock.nowMs();
      for (const { candidate, voters } of agreed) this.firstVotes.note(candidate, nowMs, voters);
      onDone();
    });
  }

  private secondVote(due: readonly Candidate[], onDone: () => void): void {
    this.poll(due, askVote, (agreed) => {
      const voters = new Map(agreed.map((each) => [each.candidate, each.voters]));
      const doomed = due.filter((candidate) => this.firstVotes.settle(candidate, voters.get(candidate)));
      const broken = due.length - doomed.length;
      if (broken > 0) this.parts.meter.count("murmur_reap_votes_broken_total", {}, broken);
      const lives = new Map(doomed.flatMap((candidate) => [...(voters.get(candidate) as Voters)]));
      this.reap(doomed, lives, onDone);
    });
  }

  private reap(doomed: readonly Candidate[], lives: Voters, onDone: () => void): void {
    const { self } = this.parts.ring;
    const ask = (node: NodeId, rows: readonly ToForget[]): Reap => ({
      ...{ kind: "reap", actor: lives.get(node) as bigint, rows },
    });
    const elsewhere = doomed.map((candidate) => {
      return { ...candidate, owners: candidate.owners.filter((owner) => owner !== self) };
    });
    this.poll(elsewhere, ask, (agreed) => {
      const here = agreed.map(({ candidate }) => ({ ...candidate, owners: [self] }));
      this.poll(here, ask, () => onDone());
    });
  }

  /** Asks every owner about its rows; `onDone` is given those on which all of their owners agreed. */
  private poll(
    candidates: readonly Candidate[],
    ask: (node: NodeId, rows: readonly ToForget[]) => ReapVote | Reap,
    onDone: (agreed: Agreed[]) => void,
  ): void {
    const { rpc, limits } = this.parts;
    const polled = candidates.map((candidate) => ({ candidate, voters: new Map<NodeId, bigint>() }));
    const finish = () =>
      onDone(polled.filter(({ candidate, voters }) => candidate.owners.every((owner) => voters.has(owner))));
    const nodes = new Set(candidates.flatMap(({ owners }) => owners));
    let left = nodes.size;
    if (left === 0) return finish();
    for (const node of nodes) {
      const asked = polled.filter(({ candidate }) => candidate.owners.includes(node));
      const request = ask(
        node,
        asked.map(({ candidate: { row, upToUs, digest } }) => ({ row, upToUs, digest })),
      );
      // A vote costs no work: one that is lost must not hold up the others for long.
      const timeoutMs = request.kind === "reap-vote" ? limits.peerSilenceMsMax : limits.syncDeadlineMs;
      rpc.call(node, request, timeoutMs, (reply) => {
        if (reply?.kind === "reap-reply") {
          for (const [index, { voters }] of asked.entries()) if (reply.agreed[index]) voters.set(node, reply.actor);
        }
        left--;
        if (left === 0) finish();
      });
    }
  }
}

function askVote(_node: NodeId, rows: readonly ToForget[]): ReapVote {
  return { kind: "reap-vote", rows };
}
