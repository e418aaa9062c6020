/**
 * The last context seen of each key, bounded: the least recently used is forgotten.
 *
 * A client always sends the highest stamp that it saw, so that its own later
 * write is stamped above it, through whichever node and whatever that node's
 * clock says. This is for registers only: in a bucket of siblings a context
 * says which values a write supersedes, and that has to be the caller's word.
 */

import { highestTimeUs } from "../lattice/context.js";
import { decodeContextToken } from "../lattice/context-token.js";
import { badRequest } from "./errors.js";

const REGISTER = "register";

export class Contexts {
  private readonly byKey = new Map<string, Seen>();

  /** `typeOf` a bucket is undefined while the cluster is not known. */
  constructor(
    private readonly keysMax: number,
    private readonly typeOf: (bucket: string) => string | undefined,
  ) {}

  /**
   * What to send with a write: for a register the higher of what is remembered and what is given. Whoever stamps by himself
   * need not be above what he has seen.
   */
  forWrite(bucket: string, key: string, given: string | undefined, isStamped = false): string | undefined {
    if (given !== undefined && !/^[A-Za-z0-9_-]*$/.test(given)) throw badRequest("that is not a context of a cluster");
    if (isStamped || this.typeOf(bucket) !== REGISTER) return given;
    const known = this.byKey.get(idOf(bucket, key));
    if (known === undefined || given === undefined) return known?.context ?? given;
    return higher(known, given).context;
  }

  onSeen(bucket: string, key: string, context: string): void {
    const type = this.typeOf(bucket);
    if (type !== undefined && type !== REGISTER) return;
    const id = idOf(bucket, key);
    const known = this.byKey.get(id);
    if (known !== undefined) this.byKey.delete(id);
    this.byKey.set(id, known === undefined ? seenOf(context) : higher(known, context));
    if (this.byKey.size > this.keysMax) this.forgetOldest();
  }

  private forgetOldest(): void {
    for (const oldest of this.byKey.keys()) {
      this.byKey.delete(oldest);
      return;
    }
  }
}

/** No bucket's name has a slash. */
function idOf(bucket: string, key: string): string {
  return `${bucket}/${key}`;
}

interface Seen {
  readonly context: string;
  readonly timeUs: number;
}

/** Answers may overtake each other: what came last is not always the latest. */
function higher(known: Seen, context: string): Seen {
  if (known.context === context) return known;
  const seen = seenOf(context);
  return known.timeUs > seen.timeUs ? known : seen;
}

function seenOf(context: string): Seen {
  const decoded = decodeContextToken(Buffer.from(context, "base64url"));
  return { context, timeUs: decoded === undefined ? 0 : highestTimeUs(decoded) };
}
