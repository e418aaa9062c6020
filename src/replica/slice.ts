/**
 * A slice: so many stored rows as one turn may read, and where to go on.
 *
 * What the disk cannot read is stepped over. First the rows before it are read
 * in ever smaller scans; then, as nobody knows its keys, the tokens where it begins
 * and ends are looked for by halves. So one bad row or page costs a walk what is
 * on it and a hundred short scans, not all that comes after it. Rows between bad ones
 * that lie close together may be stepped over with them: a later walk reads them,
 * when those have been healed.
 */
import { compareBytes, Writer } from "../base/bytes.js";
import { type Row, type Storage, StorageDamage } from "../ports.js";
import { ALL_ROWS, positionAfter, SPACE } from "./rows.js";

export interface Slice {
  readonly rows: readonly Row[];
  /** Undefined at the end. */
  readonly next: Uint8Array | undefined;
  /** What could not be read lies from here up to `next`, or to the end. */
  readonly gapFrom: Uint8Array | undefined;
}

/** What slices are read from. */
type Scannable = Pick<Storage, "scan">;

/** How much one turn may read. */
export interface SliceSize {
  readonly rowsMax: number;
  readonly bytesMax: number;
}

/** The rows of one placement and token each, in the order of tokens, as whole numbers. */
const PLACE_BITS = 72n;
const PLACE_BYTES = 9;

/** Rows with `from` <= key < `to`. Throws nothing that the disk did. */
export function readSlice(storage: Scannable, from: Uint8Array, to: Uint8Array, size: SliceSize): Slice {
  for (let rowsMax = size.rowsMax; rowsMax >= 1; rowsMax >>= 1) {
    const rows = readable(storage, from, to, rowsMax, size.bytesMax);
    if (rows === undefined) continue;
    const bytes = rows.reduce((sum, { value }) => sum + value.length, 0);
    const last = rows.at(-1);
    const isEnd = last === undefined || (rows.length < rowsMax && bytes < size.bytesMax);
    if (isEnd) return { rows, next: undefined, gapFrom: undefined };
    // Where the order of a rotten store is broken, a scan may end on a key before its beginning: never go back.
    const behind = compareBytes(last.key, from) < 0 ? from : last.key;
    return { rows, next: positionAfter(behind), gapFrom: undefined };
  }
  return { rows: [], ...gapAt(storage, from, to) };
}

function readable(
  storage: Scannable,
  from: Uint8Array,
  to: Uint8Array,
  rowsMax: number,
  bytesMax: number,
): Row[] | undefined {
  try {
    return storage.scan(from, to, rowsMax, bytesMax);
  } catch (error) {
    if (!(error instanceof StorageDamage)) throw error;
    return undefined;
  }
}

/**
 * Where what cannot be read begins and ends: the last token up to which reading from `from` finds nothing wrong, and
 * the first one behind it at which reading goes on (undefined when there is none before `to`).
 */
function gapAt(
  storage: Scannable,
  from: Uint8Array,
  to: Uint8Array,
): { gapFrom: Uint8Array; next: Uint8Array | undefined } {
  const [start, end] = [placeOf(from), placeOf(to)];
  const isSound = (first: Uint8Array, last: bigint) =>
    readable(storage, first, positionOf(last), 1, Number.POSITIVE_INFINITY) !== undefined;
  const begin = lastBefore(start, end, (place) => !isSound(from, place));
  const isBehind = (place: bigint) => place >= end || isSound(positionOf(place), end);
  let step = 1n;
  while (!isBehind(begin + step)) step *= 2n;
  const high = lastBefore(begin + step / 2n, begin + step, isBehind) + 1n;
  return { gapFrom: begin === start ? from : positionOf(begin), next: high >= end ? undefined : positionOf(high) };
}

/** The last whole number from `low` to `high` - 1 before that from which on `is` holds; it holds of `high`. */
function lastBefore(low: bigint, high: bigint, is: (place: bigint) => boolean): bigint {
  let [last, first] = [low, high];
  while (first - last > 1n) {
    const middle = (last + first) / 2n;
    if (is(middle)) first = middle;
    else last = middle;
  }
  return last;
}

/** Placement and token of a position; all that is behind the rows comes after all of them. */
function placeOf(position: Uint8Array): bigint {
  if ((position[0] as number) > SPACE.rows) return 1n << PLACE_BITS;
  const place = Buffer.alloc(PLACE_BYTES);
  place.set(position.subarray(1, 1 + PLACE_BYTES));
  return BigInt(`0x${place.toString("hex")}`);
}

function positionOf(place: bigint): Uint8Array {
  if (place >> PLACE_BITS > 0n) return ALL_ROWS.to;
  return new Writer(1 + PLACE_BYTES)
    .u8(SPACE.rows)
    .u8(Number(place >> 64n))
    .u64(BigInt.asUintN(64, place))
    .finish();
}
