/**
 * An encoded state of entries beside a context (set, map), of which no entry is read that nobody asks for.
 */
import { MalformedBytes, Writer } from "../base/bytes.js";
import type { Stores } from "./causal.js";
import { type Context, EMPTY_CONTEXT } from "./context.js";
import type { Entries, Entry, Store } from "./dots.js";
import type { Op } from "./op.js";
import type { Place } from "./packed-entries.js";
import { StampPacker, StampUnpacker } from "./packed-stamps.js";
import { Skimmer, type SkimStore } from "./skimmer.js";

/** What a lattice tells of its entries. */
export interface Packing<Inner extends Store> {
  readonly tag: number;
  readonly stores: Stores<Entries<Inner>>;
  readonly skim: SkimStore;
  read(reader: Skimmer, stamps: StampUnpacker, place: Place, count: number): Entries<Inner>;
  note(stamps: StampPacker, entries: Entries<Inner>): void;
  write(writer: Writer, stamps: StampPacker, entries: Entries<Inner>): void;
  /** The names of all entries that a change looks at, ascending, none twice; undefined: all there are. */
  namesIn(op: Op): readonly string[] | undefined;
}

/** Where the bytes of one entry are; from and to are one where it would be, were it there. */
export interface Slot {
  readonly from: number;
  readonly to: number;
}

/** What is to be in a slot; undefined: nothing. */
interface Patch<Inner extends Store> {
  readonly slot: Slot;
  readonly entry: Entry<Inner> | undefined;
}

/** One encoded state, of which the entries are still to be read. */
export class Packed<Inner extends Store> {
  readonly context: Context;
  /** Where the entries begin, and how many there are. */
  readonly start: number;
  readonly count: number;
  readonly skimmer: Skimmer;
  readonly stamps: StampUnpacker;

  constructor(
    readonly packing: Packing<Inner>,
    readonly bytes: Uint8Array,
  ) {
    this.skimmer = new Skimmer(bytes);
    if (this.skimmer.u8() !== packing.tag) throw new MalformedBytes("a state of another type");
    this.stamps = new StampUnpacker(this.skimmer);
    this.context = this.stamps.readContext();
    this.count = this.skimmer.varint();
    this.start = this.skimmer.position;
  }

  get end(): number {
    return this.bytes.length;
  }

  read({ from, to }: Slot): Entry<Inner> | undefined {
    if (from === to) return undefined;
    this.skimmer.moveTo(from);
    const { context } = this;
    return this.packing.read(this.skimmer, this.stamps, { context, removed: EMPTY_CONTEXT }, 1)[0];
  }

  /** Its encoding with another context and with patches, ascending; undefined when other entries would have to be written anew. */
  patched(context: Context, patches: readonly Patch<Inner>[], keepsEarliest: boolean): Uint8Array | undefined {
    const { packing, bytes } = this;
    const added = patches.flatMap(({ entry }) => entry ?? []);
    const stamps = new StampPacker();
    stamps.noteContext(context);
    packing.note(stamps, added);
    if (keepsEarliest) stamps.noteTime(this.stamps.earliestUs);
    if (!stamps.hasTableOf(this.stamps)) return undefined;
    const writer = new Writer(bytes.length + PATCH_BYTES).u8(packing.tag);
    stamps.writeTable(writer);
    stamps.writeContext(writer, context);
    writer.varint(this.count + added.length - patches.filter(({ slot }) => slot.from < slot.to).length);
    let at = this.start;
    for (const { slot, entry } of patches) {
      writer.raw(bytes.subarray(at, slot.from));
      if (entry !== undefined) packing.write(writer, stamps, [entry]);
      at = slot.to;
    }
    return writer.raw(bytes.subarray(at)).finish();
  }
}

/** More than that is seldom added at once. */
const PATCH_BYTES = 256;
