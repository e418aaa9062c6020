/**
 * The ways of counting up that the bench counter compares, from a request for each increment to batches of them.
 *
 * Whoever makes an increment makes it as one of its own: by 1, of a counter that it names. A caller waits for the
 * answer to what it asked for before it asks for more.
 */

export type CallKind =
  /** `add`: a promise for each increment. */
  | "add"
  /** `batch`: a row for each increment crosses the wire, with an outcome of its own. */
  | "rows"
  /** `addMany`: one promise for many, added up before they are sent. */
  | "many"
  /** `addMany` under a name, asked for again with it until every increment is known to count. */
  | "named";

export interface Arm {
  readonly name: string;
  readonly bucket: string;
  readonly kind: CallKind;
  /** In the coordinators. */
  readonly coalesce: string | undefined;
  /** In the client, in milliseconds. */
  readonly coalesceMs: number;
  readonly callers: "singles" | "batches" | "large" | "named";
}

const WINDOW = "5ms";

export const ARMS: readonly Arm[] = [
  arm("a request each", "single", "add", { coalesce: undefined }),
  arm("+ coordinators coalesce", "coalesced", "add", {}),
  arm("+ clients coalesce", "promised", "add", { coalesceMs: 5 }),
  arm("batches of rows", "rows", "rows", {}),
  arm("addMany", "many", "many", {}),
  arm("addMany, larger calls", "large", "many", { callers: "large" }),
  arm("addMany, Idempotency-Key", "named", "named", { callers: "named" }),
];

function arm(name: string, bucket: string, kind: CallKind, more: Partial<Arm>): Arm {
  return {
    name,
    bucket,
    kind,
    coalesce: WINDOW,
    coalesceMs: 0,
    callers: kind === "add" ? "singles" : "batches",
    ...more,
  };
}
