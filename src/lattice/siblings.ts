/**
 * Siblings: a value stays until a write that had read it replaces it (dotted version vector sets: Preguiça
 * and others, "Dotted version vectors", 2012; Almeida and others, 2014, with clock readings for counters).
 *
 * Concurrent writes leave several values, the client is shown all of them, and
 * its next write with the context of what it saw supersedes exactly these. Each
 * value lies under the dot of its own write and not under the writer's context:
 * so two clients who write in turn with stale contexts supersede their own
 * former values, and siblings do not multiply (section 4 of the paper of 2012).
 *
 * Expiry is judged when looked at. An expired value is shown to nobody, and is
 * superseded like any other.
 */
import { compareBytes, MalformedBytes, Reader, textOf, utf8, Writer } from "../base/bytes.js";
import { type Causal, changeCausal, mergeCausal, renameCausal, type Stores, seenUnshown } from "./causal.js";
import { type Context, EMPTY_CONTEXT, isEmptyContext, lastStampOf } from "./context.js";
import { joinKept, renameKept, unseenOf } from "./dots.js";
import type { GrowthLimits, Lattice, View } from "./lattice.js";
import type { Change, OpRefusal, Put } from "./op.js";
import { readKept, writeKept } from "./packed-entries.js";
import { StampPacker, StampUnpacker } from "./packed-stamps.js";
import type { Stamp } from "./stamp.js";

/** A value under the dot of the write that brought it. */
interface Sibling extends Stamp {
  readonly contentType: string;
  readonly value: Uint8Array;
  /** Milliseconds since 1970; undefined: never. */
  readonly expiresAtMs: number | undefined;
}

/** Values in ascending order of their dots. */
export type Siblings = Causal<readonly Sibling[]>;

const TAG = 2;
const NEVER_EXPIRES = 0;
const EXPIRES = 1;
const BOTTOM: Siblings = { context: EMPTY_CONTEXT, store: [] };

const VALUES: Stores<readonly Sibling[]> = {
  empty: BOTTOM.store,
  join: (a, b, sight) => joinKept(a, b, sight, pick),
  rename: renameKept,
  isNone: (values) => values.length === 0,
};

/** What a change supersedes: a delete without a context means all that its minter holds. */
function supersededBy(state: Siblings, { op, context }: Change): Context {
  return op.kind === "delete" && isEmptyContext(context) ? state.context : context;
}

function mutate(state: Siblings, change: Change): Siblings {
  const { op, stamp } = change;
  const brought = op.kind === "put" ? [siblingOf(op, stamp)] : [];
  return changeCausal(VALUES, state, stamp, supersededBy(state, change), brought);
}

function siblingOf({ contentType, value, expiresAtMs }: Put, { timeUs, actor }: Stamp): Sibling {
  return { timeUs, actor, contentType, value, expiresAtMs };
}

function refusal(state: Siblings, change: Change, limits: GrowthLimits): OpRefusal | undefined {
  const { op } = change;
  if (op.kind !== "put") return undefined;
  const left = unseenOf(state.store, supersededBy(state, change));
  const remedy = "read the key, and send its context with the value that is to replace them";
  if (left.length >= limits.siblingsMax) {
    const detail = `the key has ${left.length} siblings that this does not replace: ${remedy}`;
    return { kind: "too-many-siblings", detail };
  }
  const bytes = left.reduce((sum, { value }) => sum + value.length, op.value.length);
  if (left.length === 0 || bytes <= limits.stateBytesMax) return undefined;
  return { kind: "too-large", detail: `with its siblings, the key comes to ${bytes} bytes: ${remedy}` };
}

function isAlive({ expiresAtMs }: Sibling, nowMs: number): boolean {
  return expiresAtMs === undefined || expiresAtMs > nowMs;
}

function view({ context, store }: Siblings, nowMs: number): View {
  const alive = store.filter((sibling) => isAlive(sibling, nowMs));
  return { contents: alive.map(({ contentType, value }) => ({ contentType, value })), context };
}

/** Dots never repeat, so this decides only between damaged or hand-made states; the join must be total. */
function pick(ours: Sibling, theirs: Sibling): Sibling {
  return compareBytes(contentOf(ours), contentOf(theirs)) >= 0 ? ours : theirs;
}

function contentOf({ contentType, value, expiresAtMs }: Sibling): Uint8Array {
  const writer = new Writer(16 + contentType.length + value.length);
  if (expiresAtMs === undefined) writer.u8(NEVER_EXPIRES);
  else writer.u8(EXPIRES).u53(expiresAtMs);
  return writer.short(utf8(contentType)).varint(value.length).raw(value).finish();
}

function encode(state: Siblings): Uint8Array {
  const { context, store } = state;
  if (isEmptyContext(context)) throw new TypeError("bottom is not encoded");
  const stamps = new StampPacker();
  stamps.noteContext(context);
  for (const sibling of store) stamps.note(sibling);
  const writer = new Writer().u8(TAG);
  stamps.writeTable(writer);
  stamps.writeContext(writer, context);
  writeKept(writer, stamps, store, (sibling) => writer.raw(contentOf(sibling)));
  return writer.finish();
}

function decode(bytes: Uint8Array): Siblings {
  const reader = new Reader(bytes);
  if (reader.u8() !== TAG) throw new MalformedBytes("not siblings");
  const stamps = new StampUnpacker(reader);
  const context = stamps.readContext();
  const place = { context, removed: EMPTY_CONTEXT };
  const store = readKept(reader, stamps, place, (dot) => readSibling(reader, dot));
  stamps.end();
  return { context, store };
}

function readSibling(reader: Reader, { timeUs, actor }: Stamp): Sibling {
  const expiry = reader.u8();
  if (expiry !== NEVER_EXPIRES && expiry !== EXPIRES) throw new MalformedBytes("not a sibling");
  const expiresAtMs = expiry === EXPIRES ? reader.u53() : undefined;
  const contentType = textOf(reader.short());
  if (contentType === undefined) throw new MalformedBytes("a content type that is not UTF-8");
  return { timeUs, actor, contentType, value: reader.raw(reader.varint()), expiresAtMs };
}

export const siblings: Lattice<Siblings> = {
  name: "siblings",
  tag: TAG,
  blind: false,
  bottom: BOTTOM,
  merge: (a, b) => mergeCausal(VALUES, a, b),
  accepts: (kind) => kind === "put" || kind === "delete",
  readsFirst: () => false,
  isRepeatable: ({ kind }, context) => kind === "put" || !isEmptyContext(context),
  refusal,
  mutate,
  seenBy: (after, change) => seenUnshown(VALUES, after, change),
  view,
  isDead: (state, nowMs) => state !== BOTTOM && !state.store.some((sibling) => isAlive(sibling, nowMs)),
  lastStamp: ({ context }) => lastStampOf(context),
  encode,
  decode,
  rename: (state, renaming) => renameCausal(VALUES, state, renaming),
};
