/**
 * The book of lost values: which register writes took away what nobody had looked at.
 *
 * Last-writer-wins loses one of two concurrent writes. Each loss is counted, once for
 * each write that caused it, and the last of them can be listed, so that whoever
 * loses data can know it. Values are not kept: the book says which key to look at, and who wrote when.
 *
 * Blind writes, whose clients send no context, have a ring of their own: a
 * cache that never reads what it writes would push all the others out.
 */
import type { Limits } from "../config.js";
import type { Actor, Stamp } from "../lattice/stamp.js";
import type { Meter, NodeId } from "../ports.js";
import { bucketOfRow, keyOfRow, sortOfRow } from "../replica/rows.js";

/**
 * stale: the writer had seen less than what it replaced. blind: it did not say what it had seen.
 * beaten: what it wrote has itself lost, to a stamp above its own.
 */
export type OverwriteKind = "stale" | "blind" | "beaten";

/** When a value was written, and through which node; that is undefined when it has begun another life since. */
interface Minted {
  readonly stamp: Stamp;
  readonly node: NodeId | undefined;
}

export interface Overwrite {
  readonly bucket: string;
  readonly key: Uint8Array;
  /** Of a cell of a row; empty for plain keys. */
  readonly sort: Uint8Array;
  readonly kind: OverwriteKind;
  readonly lost: Minted;
  /** What stands in its place. */
  readonly kept: Minted;
  /** When it was noticed, in milliseconds since 1970. */
  readonly atMs: number;
}

interface Noted extends Pick<Overwrite, "kind" | "atMs"> {
  readonly row: Uint8Array;
  readonly lost: Stamp;
  readonly kept: Stamp;
}

interface OverwritesHost {
  readonly meter: Meter;
  readonly limits: Pick<Limits, "overwriteItemsMax">;
  readonly wallMs: () => number;
  /** Whose store stamps as this actor at present. */
  readonly nodeOf: (actor: Actor) => NodeId | undefined;
}

export class Overwrites {
  private readonly told = new Ring();
  private readonly blind = new Ring();

  constructor(private readonly host: OverwritesHost) {}

  note(row: Uint8Array, kind: OverwriteKind, lost: Stamp, kept: Stamp): void {
    const { meter, limits, wallMs } = this.host;
    meter.count("murmur_register_overwrites_total", { kind });
    const ring = kind === "blind" ? this.blind : this.told;
    // A row is often a view of a whole frame: a copy keeps the key and not the frame.
    ring.add({ row: row.slice(), kind, lost, kept, atMs: wallMs() }, limits.overwriteItemsMax);
  }

  /** The last ones of one bucket, or of all, the newest first. */
  last(bucket: string | undefined, itemsMax: number): Overwrite[] {
    const all = [...this.told.items, ...this.blind.items];
    const found = bucket === undefined ? all : all.filter(({ row }) => bucketOfRow(row) === bucket);
    found.sort((a, b) => b.atMs - a.atMs);
    return found.slice(0, itemsMax).map(({ row, lost, kept, ...noted }) => ({
      ...{ bucket: bucketOfRow(row), key: keyOfRow(row), sort: sortOfRow(row), ...noted },
      ...{ lost: this.minted(lost), kept: this.minted(kept) },
    }));
  }

  private minted(stamp: Stamp): Minted {
    return { stamp, node: this.host.nodeOf(stamp.actor) };
  }
}

/** So many of the last ones. */
class Ring {
  readonly items: Noted[] = [];
  private next = 0;

  add(item: Noted, itemsMax: number): void {
    if (itemsMax === 0) return;
    this.items[this.next] = item;
    this.next = (this.next + 1) % itemsMax;
  }
}
