/**
 * Ranges: the cells of one key in the order of their sort keys, page by page.
 */
/** The cells of one key from a position up to another; both are positions among the rows of that key. */
export interface Span {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

/** What do you hold of these cells, tombstones and all? See replica/ranges.ts. */
export interface Range {
  readonly kind: "range";
  /** Of each page. */
  readonly cellsMax: number;
  readonly spans: readonly Span[];
}

export interface RangePage {
  /** False while the answerer rebuilds this partition, does not own it, or cannot read it: its page does not count. */
  readonly votes: boolean;
  /** An encoded row (lattice/row.ts); undefined: no cells. */
  readonly state: Uint8Array | undefined;
  /** All cells before this position are in the page; undefined: all of the span. */
  readonly next: Uint8Array | undefined;
}

export interface RangeReply {
  readonly kind: "range-reply";
  readonly pages: readonly RangePage[];
}
