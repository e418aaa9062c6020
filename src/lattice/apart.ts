/**
 * Additions kept apart: each under the stamp of its change, until clients may no longer ask for it again.
 *
 * A sum cannot be told from what went into it, so an addition that may have been
 * made twice, at two owners, is not counted into one yet. It is kept under its
 * dot (dots.ts): it can be renamed, and a reset takes it as it takes everything
 * that it saw. Afterwards all that are left are put together under the last of
 * their dots; who has seen that one has seen them all, because that is done only
 * when all owners hold the same of them (replica/reaper.ts).
 */
import { MalformedBytes, type Reader, type Writer } from "../base/bytes.js";
import { joinKept, type Sight } from "./dots.js";
import type { StampPacker, StampUnpacker } from "./packed-stamps.js";
import { compareStamps, type Stamp } from "./stamp.js";

interface Addition extends Stamp {
  readonly by: bigint;
}

/** In ascending order of their dots, none twice. */
export type Apart = readonly Addition[];

export const NONE_APART: Apart = [];

export function joinApart(a: Apart, b: Apart, sight: Sight): Apart {
  return joinKept(a, b, sight, larger);
}

/** With one more, of a stamp above all of them. */
export function withAddition(apart: Apart, { timeUs, actor }: Stamp, by: number): Apart {
  return [...apart, { timeUs, actor, by: BigInt(by) }].sort(compareStamps);
}

/** What is left of them comes to this in sum. */
export function sumApart(apart: Apart): bigint {
  return apart.reduce((sum, { by }) => sum + by, 0n);
}

/** Those of changes up to that time. */
export function apartUpTo(apart: Apart, timeUs: number): Apart {
  return apart.filter((addition) => addition.timeUs <= timeUs);
}

/** With these put together under the last of their dots; `apart` ITSELF when there is nothing to put together. */
export function foldApart(apart: Apart, upToUs: number): Apart {
  const early = apartUpTo(apart, upToUs);
  const last = early.at(-1);
  if (last === undefined || early.length === 1) return apart;
  return [{ ...last, by: sumApart(early) }, ...apart.slice(early.length)];
}

/** One dot has one addition, so this decides only between damaged or hand-made states; the join must be total. */
function larger(ours: Addition, theirs: Addition): Addition {
  return ours.by >= theirs.by ? ours : theirs;
}

export function writeApart(writer: Writer, stamps: StampPacker, apart: Apart): void {
  writer.varint(apart.length);
  for (const addition of apart) {
    stamps.write(writer, addition);
    writer.u64(BigInt.asUintN(64, addition.by));
  }
}

/** Throws MalformedBytes on what `writeApart` cannot have written. */
export function readApart(reader: Reader, stamps: StampUnpacker): Apart {
  const apart: Addition[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const { timeUs, actor } = stamps.read();
    const addition = { timeUs, actor, by: BigInt.asIntN(64, reader.u64()) };
    const last = apart.at(-1);
    if (last !== undefined && compareStamps(last, addition) >= 0) throw new MalformedBytes("additions out of order");
    apart.push(addition);
  }
  return apart;
}
