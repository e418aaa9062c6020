/**
 * The queue of rumours: whose news still travels with our messages (SWIM 4.1).
 *
 * News of a member goes out lambda * log(n) times in all, which reaches
 * everybody with high probability (Bailey's epidemics), and then rests. What
 * was sent least goes first, so that the newest spreads fastest, and each
 * message has room for a bounded number of bytes. Only the name is kept here:
 * what is sent is always the newest entry of the table, so the queue holds one
 * rumour for each member at most.
 */
import type { NodeId } from "../ports.js";

const NO_RUMOURS: readonly Uint8Array[] = [];

export class Gossip {
  /** By how often they were sent; within each in the order in which they came there. */
  private readonly bySent: readonly Set<NodeId>[];
  /** How many still travel: mostly none. */
  private travelling = 0;

  /** `factor` is lambda. */
  constructor(members: number, factor: number) {
    const sendsMax = Math.ceil(factor * Math.log(members + 1));
    this.bySent = Array.from({ length: sendsMax }, () => new Set());
  }

  /** There is news of a member: from now on it counts as never sent. */
  add(node: NodeId): void {
    for (const rumours of this.bySent) if (rumours.delete(node)) this.travelling--;
    this.bySent[0]?.add(node);
    this.travelling++;
  }

  /** The rumours of one message: as many as `bytesMax` holds, encoded by `encode`. Each counts as sent once more. */
  take(bytesMax: number, encode: (node: NodeId) => Uint8Array): readonly Uint8Array[] {
    if (this.travelling === 0) return NO_RUMOURS;
    const taken: Uint8Array[] = [];
    const names: NodeId[] = [];
    let bytes = 0;
    search: for (const rumours of this.bySent) {
      for (const node of rumours) {
        const rumour = encode(node);
        if (bytes + rumour.length > bytesMax) break search;
        bytes += rumour.length;
        taken.push(rumour);
        names.push(node);
      }
    }
    for (const node of names) this.onSent(node);
    return taken;
  }

  private onSent(node: NodeId): void {
    const sent = this.bySent.findIndex((rumours) => rumours.delete(node));
    if (sent + 1 < this.bySent.length) this.bySent[sent + 1]?.add(node);
    else this.travelling--;
  }
}
