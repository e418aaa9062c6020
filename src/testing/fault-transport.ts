/**
 * A body of the port Transport that breaks another one on command: frames to
 * and from peers that are cut off are dropped, and of the frames this node
 * sends a share leaves late, and all that go far. With no fault it passes everything on.
 *
 * A cut is kept at both ends. Either end alone would do, but the other may be
 * paused and deaf to commands, and what already waits in a socket when the cut
 * is made must not arrive after it.
 *
 * Invariant: what is held back stays within `heldBytesMax`; beyond it frames are
 * dropped, as the port permits.
 */
import { fraction, type Random } from "../base/random.js";
import type { Clock, Lane, NodeId, Transport } from "../ports.js";

/** A gray replica: of the frames it sends, so many percent leave so much later. */
export interface Slowness {
  readonly percent: number;
  readonly delayMs: number;
}

/** All that is wrong with one node's network. */
export interface Faults {
  /** Peers that hear nothing of it. */
  readonly cutTo: readonly NodeId[];
  /** Peers of which it hears nothing. */
  readonly cutFrom: readonly NodeId[];
  readonly slowness: Slowness;
  /** How much later frames arrive at peers that are far away. */
  readonly distance: { readonly to: readonly NodeId[]; readonly delayMs: number };
}

export const NO_FAULTS: Faults = {
  cutTo: [],
  cutFrom: [],
  slowness: { percent: 0, delayMs: 0 },
  distance: { to: [], delayMs: 0 },
};

interface Held {
  readonly to: NodeId;
  readonly bytes: Uint8Array;
  readonly lane: Lane | undefined;
}

export class FaultTransport implements Transport {
  /** May be set at any time; what is held back already still leaves when it was to, if it may then. */
  faults: Faults = NO_FAULTS;
  /** Of the present turn, to be held back from its release on, by how long. */
  private readonly held = new Map<number, Held[]>();
  private heldBytes = 0;

  constructor(
    private readonly inner: Transport,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly heldBytesMax: number,
  ) {}

  send(to: NodeId, bytes: Uint8Array, lane?: Lane): void {
    if (this.faults.cutTo.includes(to)) return;
    const delayMs = this.delayMsTo(to);
    if (delayMs === 0) return this.inner.send(to, bytes, lane);
    if (this.heldBytes + bytes.length > this.heldBytesMax) return;
    const held = this.held.get(delayMs);
    if (held === undefined) this.held.set(delayMs, [{ to, bytes, lane }]);
    else held.push({ to, bytes, lane });
    this.heldBytes += bytes.length;
  }

  onReceive(receiver: (from: NodeId, frames: readonly Uint8Array[]) => void): void {
    this.inner.onReceive((from, frames) => {
      if (!this.faults.cutFrom.includes(from)) receiver(from, frames);
    });
  }

  release(): void {
    this.inner.release();
    for (const [delayMs, late] of this.held) this.clock.after(delayMs, () => this.leave(late));
    this.held.clear();
  }

  private leave(late: readonly Held[]): void {
    for (const { to, bytes, lane } of late) {
      this.heldBytes -= bytes.length;
      if (!this.faults.cutTo.includes(to)) this.inner.send(to, bytes, lane);
    }
    this.inner.release();
  }

  private delayMsTo(to: NodeId): number {
    const { slowness, distance } = this.faults;
    const isLate = slowness.percent > 0 && fraction(this.random) * 100 < slowness.percent;
    return (isLate ? slowness.delayMs : 0) + (distance.to.includes(to) ? distance.delayMs : 0);
  }
}
