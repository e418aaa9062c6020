/**
 * What a batch writes once: increments of one counter that came in one batch are one write.
 *
 * A sum of increments is an increment, so a batch may name a counter as often as it likes, and costs
 * its owners one change of it. Only what nobody can tell apart is summed, as in increments.ts: an increment with an id or a
 * context is a write of its own, and so are one of a row's cell and one that would take a sum beyond the integers that are exact.
 */
import { bytesToMapKey } from "../base/bytes.js";
import { isEmptyContext } from "../lattice/context.js";
import type { WriteRequest } from "./outcome.js";

/** One write, and which items of the batch it is: several are increments, and it is their sum. */
export interface BatchWrite {
  readonly request: WriteRequest;
  readonly items: readonly number[];
}

interface Sum {
  readonly first: WriteRequest;
  readonly items: number[];
  by: number;
  /** Of the amounts without their signs: while it is exact, so is every sum of some of them. */
  size: number;
}

/** In the order in which each came first. */
export function batchWrites(writes: readonly WriteRequest[]): BatchWrite[] {
  const all: Sum[] = [];
  const sums = new OpenSums();
  for (const [index, request] of writes.entries()) {
    const by = mayBeSummed(request) ? request.op.by : undefined;
    const open = by === undefined ? undefined : sums.of(request);
    if (by !== undefined && open !== undefined && Number.isSafeInteger(open.size + Math.abs(by))) {
      open.items.push(index);
      open.by += by;
      open.size += Math.abs(by);
      continue;
    }
    const begun: Sum = { first: request, items: [index], by: by ?? 0, size: Math.abs(by ?? 0) };
    all.push(begun);
    if (by !== undefined) sums.open(begun);
  }
  return all.map(({ first, items, by }) => {
    return { request: items.length === 1 ? first : { ...first, op: { kind: "add", by } }, items };
  });
}

type Increment = WriteRequest & { readonly op: { readonly kind: "add" } };

function mayBeSummed(request: WriteRequest): request is Increment {
  const { op, id, sort, context } = request;
  return op.kind === "add" && id === undefined && sort === undefined && isEmptyContext(context);
}

/** The sums that may still grow, by what they count. */
class OpenSums {
  private readonly byName = new Map<string, Sum>();
  /** Most items of a large batch share the bytes of their keys: that spares naming them. */
  private readonly byKey = new Map<Uint8Array, Sum>();

  of(request: WriteRequest): Sum | undefined {
    const known = this.byKey.get(request.key);
    if (known !== undefined && isAlike(known.first, request)) return known;
    const named = this.byName.get(nameOf(request));
    if (named !== undefined) this.byKey.set(request.key, named);
    return named;
  }

  open(sum: Sum): void {
    this.byName.set(nameOf(sum.first), sum);
    this.byKey.set(sum.first.key, sum);
  }
}

/** Of two increments with the same key. */
function isAlike(a: WriteRequest, b: WriteRequest): boolean {
  return a === b || (a.bucket === b.bucket && a.level === b.level && a.deadlineMs === b.deadlineMs);
}

/** No bucket's name and no level has a slash. */
function nameOf({ bucket, key, level, deadlineMs }: WriteRequest): string {
  return `${bucket}/${level}/${deadlineMs}/${bytesToMapKey(key)}`;
}
