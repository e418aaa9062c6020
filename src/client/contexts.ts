/**
 * The last context seen of each key, bounded: the least recently used is forgotten.
 *
 * A client always sends the highest stamp that it saw, so that its own later
 * write is stamped above it, through whichever node and whatever that node's
 * clock says. This is for registers only: in a bucket of siblings a context
 * says which values a write supersedes, and that has to be the caller's word.
 */
import { decodeContext, highestTimeUs } from "../lattice/stamp.js";

export class Contexts {
  private readonly byKey = new Map<string, string>();

  constructor(private readonly keysMax: number) {}

  /** The higher of what is remembered and what is given; undefined when there is neither. */
  highest(key: string, given: string | undefined): string | undefined {
    const known = this.byKey.get(key);
    if (known === undefined || given === undefined) return known ?? given;
    return higher(known, given);
  }

  onSeen(key: string, context: string): void {
    const known = this.byKey.get(key);
    if (known !== undefined) this.byKey.delete(key);
    this.byKey.set(key, known === undefined ? context : higher(known, context));
    if (this.byKey.size > this.keysMax) this.forgetOldest();
  }

  private forgetOldest(): void {
    for (const oldest of this.byKey.keys()) {
      this.byKey.delete(oldest);
      return;
    }
  }
}

/** Answers may overtake each other: what came last is not always the latest. */
function higher(known: string, seen: string): string {
  return known === seen || timeUs(known) > timeUs(seen) ? known : seen;
}

function timeUs(context: string): number {
  const decoded = decodeContext(Buffer.from(context, "base64url"));
  return decoded === undefined ? 0 : highestTimeUs(decoded);
}
