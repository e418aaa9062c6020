/**
 * A state as an owner holds it: as bytes. Of a large one only what changes is read, where the lattice knows how to
 * (`packed`); otherwise all is, once. Either way the same bytes come out.
 */
import type { Context } from "./context.js";
import type { GrowthLimits, Lattice } from "./lattice.js";
import type { Change, OpRefusal } from "./op.js";
import type { Stamp } from "./stamp.js";

export interface MergedStates<State> {
  /** The first ITSELF when the second adds nothing. */
  readonly both: StateInBytes<State>;
  /** The last stamp of the second. */
  readonly theirLast: Stamp | undefined;
}

export interface ChangedState<State> {
  /** ITSELF when the change had been made before. */
  readonly after: StateInBytes<State>;
  /** As `seenBy` of a lattice. */
  readonly seen: Context;
}

export class StateInBytes<State> {
  private encoded: Uint8Array | undefined;
  private decoded: { readonly state: State } | undefined;

  private constructor(private readonly lattice: Lattice<State>) {}

  /** What was encoded; undefined: bottom. */
  static of<State>(lattice: Lattice<State>, bytes: Uint8Array | undefined): StateInBytes<State> {
    const made = new StateInBytes(lattice);
    made.encoded = bytes;
    return made;
  }

  private static holding<State>(lattice: Lattice<State>, state: State): StateInBytes<State> {
    const made = new StateInBytes(lattice);
    made.decoded = { state };
    return made;
  }

  /** Throws of bottom. */
  get bytes(): Uint8Array {
    this.encoded ??= this.lattice.encode(this.state);
    return this.encoded;
  }

  /** Throws MalformedBytes. */
  get state(): State {
    const { lattice, encoded } = this;
    this.decoded ??= { state: encoded === undefined ? lattice.bottom : lattice.decode(encoded) };
    return this.decoded.state;
  }

  get lastStamp(): Stamp | undefined {
    return this.packedLast ?? this.lattice.lastStamp(this.state);
  }

  /** Throws MalformedBytes where what `theirs` would bring is no state. */
  merge(theirs: StateInBytes<State>): MergedStates<State> {
    const { lattice } = this;
    const packed = this.isPacked && theirs.isPacked ? lattice.packed?.merge(this.bytes, theirs.bytes) : undefined;
    if (packed !== undefined) {
      const { state, theirLast } = packed;
      return { both: state === this.bytes ? this : StateInBytes.of(lattice, state), theirLast };
    }
    const merged = lattice.merge(this.state, theirs.state);
    const both =
      merged === this.state ? this : merged === theirs.state ? theirs : StateInBytes.holding(lattice, merged);
    return { both, theirLast: lattice.lastStamp(theirs.state) };
  }

  change(change: Change, limits: GrowthLimits): OpRefusal | ChangedState<State> {
    const { lattice } = this;
    const packed = this.isPacked ? lattice.packed?.change(this.bytes, change, limits) : undefined;
    if (packed !== undefined) {
      return "kind" in packed ? packed : { after: StateInBytes.of(lattice, packed.state), seen: packed.seen };
    }
    const refusal = lattice.refusal(this.state, change, limits);
    if (refusal !== undefined) return refusal;
    const after = lattice.mutate(this.state, change);
    const seen = lattice.seenBy(after, change);
    return { after: after === this.state ? this : StateInBytes.holding(lattice, after), seen };
  }

  private get packedLast(): Stamp | undefined {
    return this.isPacked ? this.lattice.packed?.lastStamp(this.bytes) : undefined;
  }

  /** Not read yet: then it may not have to be. */
  private get isPacked(): boolean {
    return this.encoded !== undefined && this.decoded === undefined;
  }
}
