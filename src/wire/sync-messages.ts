/**
 * What two replicas say to each other to find out in what they differ: first one
 * digest over all that both own, then blocks of tokens, ever smaller, then rows.
 */

/** Of a sum over many rows, on its way to a peer: its first bytes; see replica/sums.ts. */
export const SUM_DIGEST_BYTES = 8;

/** Are we the same in all that we share? One digest over all placements and partitions that both of us own. */
export interface SyncShared {
  readonly kind: "sync-shared";
  /** SUM_DIGEST_BYTES. */
  readonly digest: Uint8Array;
}

export interface SyncSharedReply {
  readonly kind: "sync-shared-reply";
  readonly same: boolean;
  /** Per placement, one bit for each partition in which the answerer votes. Empty: in all that it owns. */
  readonly votes: readonly Uint8Array[];
}

/** All tokens that begin with the same `bits` bits as `from`, in the order of rows (unsigned); the other bits are zero. */
export interface TokenBlock {
  readonly from: bigint;
  readonly bits: number;
}

/** What one holds in a block. */
export interface BlockSum {
  /** Over the rows that both should hold, of SUM_DIGEST_BYTES. */
  readonly digest: Uint8Array;
  /** How many rows, of others too: what it costs to read them. */
  readonly count: number;
}

export interface SummedBlock extends TokenBlock, BlockSum {}

/** Are we the same in each of these blocks? */
export interface SyncBlocks {
  readonly kind: "sync-blocks";
  readonly placement: number;
  readonly blocks: readonly SummedBlock[];
}

/** A row that the answerer holds, its digest, and whether it is too young to be worth a repair. */
export interface ListedRow {
  readonly row: Uint8Array;
  readonly digest: Uint8Array;
  readonly young: boolean;
}

/**
 * same; or what the answerer holds in each part of the block; or, of a small block, all its rows; or damaged: the
 * answerer cannot read all its rows, and so cannot say what it holds.
 */
export type BlockAnswer =
  | { readonly kind: "same" }
  | { readonly kind: "split"; readonly parts: readonly BlockSum[] }
  | { readonly kind: "rows"; readonly rows: readonly ListedRow[] }
  | { readonly kind: "damaged" };

/** In the order of the blocks, perhaps not of all: the others are asked again. */
export interface SyncBlocksReply {
  readonly kind: "sync-blocks-reply";
  readonly answers: readonly BlockAnswer[];
}
