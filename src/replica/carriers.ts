/**
 * Carriers: how old a state on its way may be.
 *
 * Owners are not the only ones that hold states: a delayed frame, a mend, a hint
 * and a sync carry them too, and could bring back what all owners have forgotten.
 * So every entry says when it was born: when its state was minted, or asked of
 * an owner that votes, or the oldest of these where several were merged. A
 * receiver refuses an entry older than `carrierAgeMaxMs`; replica/reaper.ts waits
 * longer than that before anything is forgotten.
 *
 * An owner that does not vote vouches for nothing: its disk may be an old copy.
 * What only it answered is no younger than its last stamp.
 *
 * Birth and judgement are read from clocks of different nodes. Each is within
 * `clockSkewMsMax` of the median of all, or is corrected to it (membership/peers.ts).
 * So two differ by twice that at most, and whoever forgets adds as much.
 */
import type { Limits } from "../config.js";
import type { AnyLattice } from "../lattice/registry.js";
import type { Meter } from "../ports.js";

export interface CarrierHost {
  readonly meter: Meter;
  readonly limits: Limits;
  /** The wall clock that does not go back; see replica/mint.ts. */
  nowMs(): number;
  /** What must be added to it while it is off the peers' median by more than may be. */
  correctionMs(): number;
}

export class Carriers {
  constructor(private readonly host: CarrierHost) {}

  /** When a state is born that is minted now, or asked now of an owner that votes. */
  nowUs(): number {
    return Math.floor((this.host.nowMs() + this.host.correctionMs()) * 1000);
  }

  /** Whether this node's own clock is not believed. */
  get isClockOff(): boolean {
    return this.host.correctionMs() !== 0;
  }

  /** Whether an entry is too old to be taken; born in the future, its age cannot be known. */
  refuses(bornAtUs: number): boolean {
    if (this.isOfNow(bornAtUs)) return false;
    this.host.meter.count("murmur_stale_carriers_total");
    return true;
  }

  /** Neither too old, nor born in the future. */
  isOfNow(bornAtUs: number): boolean {
    const { limits } = this.host;
    const ageMs = this.ageMsOf(bornAtUs);
    return ageMs <= limits.carrierAgeMaxMs && ageMs >= -skewMsMax(limits);
  }

  /** Whether nobody takes any more what was born then. */
  isOld(bornAtUs: number): boolean {
    return this.ageMsOf(bornAtUs) > this.host.limits.carrierAgeMaxMs;
  }

  private ageMsOf(bornAtUs: number): number {
    return (this.nowUs() - bornAtUs) / 1000;
  }
}

/** One question to several owners, asked now: which answers may be taken, and when the oldest of them was born. */
export class Birth {
  atUs: number;

  constructor(
    private readonly carriers: Carriers,
    private readonly lattice: AnyLattice,
  ) {
    this.atUs = carriers.nowUs();
  }

  /** False for what an owner without a vote answered, and all may have forgotten. */
  admits(state: unknown, votes: boolean): boolean {
    if (votes) return true;
    const bornUs = Math.min(this.atUs, this.lattice.lastStamp(state)?.timeUs ?? this.atUs);
    if (bornUs < this.atUs && this.carriers.refuses(bornUs)) return false;
    this.atUs = bornUs;
    return true;
  }
}

/** When an encoded state was born that was asked at `askedUs` of an owner: nobody vouches for one that does not vote. */
export function bornAtUs(lattice: AnyLattice, state: Uint8Array, votes: boolean, askedUs: number): number {
  return votes ? askedUs : Math.min(askedUs, lattice.lastStamp(lattice.decode(state))?.timeUs ?? askedUs);
}

/** After this no receiver takes a carrier any more that was born before. A thousandth is for how clocks drift. */
export function carriersGoneAfterMs(limits: Limits): number {
  return (limits.carrierAgeMaxMs + skewMsMax(limits)) * 1.001;
}

/** How far two clocks may differ that are both believed. */
export function skewMsMax(limits: Limits): number {
  return 2 * limits.clockSkewMsMax;
}
