/**
 * The set: texts, added and removed at any owner. Of an add and a remove that did not know of each other the add wins.
 *
 * Removals leave nothing behind: the state grows with the elements that it has
 * and the actors that changed it, not with what was ever in it. A set without
 * elements is absent.
 */
import { MalformedBytes, Reader, utf8, Writer } from "../base/bytes.js";
import { type Causal, changeCausal, mergeCausal, renameCausal, type Stores, seenUnshown } from "./causal.js";
import { type Context, EMPTY_CONTEXT, isEmptyContext, joinContexts, lastStampOf } from "./context.js";
import { removedFrom } from "./dots.js";
import {
  areNone,
  bytesOfElements,
  type Elements,
  editOfElements,
  joinElements,
  jsonOfElements,
  namesOfEdit,
  noteElements,
  readElements,
  refusalOfEdit,
  renameElements,
  skimElement,
  writeEachElement,
  writeElements,
} from "./elements.js";
import type { GrowthLimits, Lattice, View } from "./lattice.js";
import type { Change, OpRefusal } from "./op.js";
import { changePacked, contextPacked, lastStampPacked, mergePacked } from "./packed-causal.js";
import { StampPacker, StampUnpacker } from "./packed-stamps.js";
import type { Packing } from "./packed-state.js";
import type { Stamp } from "./stamp.js";

export type TextSet = Causal<Elements>;

const TAG = 4;
const BOTTOM: TextSet = { context: EMPTY_CONTEXT, store: [] };
const ELEMENTS: Stores<Elements> = { empty: BOTTOM.store, join: joinElements, rename: renameElements, isNone: areNone };

const PACKING: Packing<readonly Stamp[]> = {
  ...{ tag: TAG, stores: ELEMENTS, skim: skimElement },
  read: readElements,
  note: noteElements,
  write: (writer, stamps, elements) => writeEachElement(writer, stamps, elements),
  namesIn: (op) => (op.kind === "edit-set" ? namesOfEdit(op) : undefined),
};

function mutate(state: TextSet, change: Change): TextSet {
  const { op, stamp, context } = change;
  // Without a context, a change takes away what its minter holds.
  const seen = isEmptyContext(context) ? state.context : context;
  if (op.kind !== "edit-set") return changeCausal(ELEMENTS, state, stamp, seen, BOTTOM.store);
  // What the client has seen of other elements says nothing about them.
  const edit = editOfElements(op, state.store, { ...change, dot: stamp, held: state.context, seen });
  return changeCausal(ELEMENTS, state, stamp, EMPTY_CONTEXT, edit);
}

/** Beside other elements of so many bytes. */
function refusal({ store }: TextSet, { op }: Change, limits: GrowthLimits, elsewhereBytes = 0): OpRefusal | undefined {
  return op.kind === "edit-set" ? refusalOfEdit(op, elsewhereBytes + bytesOfElements(store), limits) : undefined;
}

function view({ context, store }: TextSet): View {
  if (areNone(store)) return { contents: [], context };
  return {
    contents: [{ contentType: "application/json", value: utf8(`{"value":${jsonOfElements(store)}}`) }],
    context,
  };
}

function encode({ context, store }: TextSet): Uint8Array {
  if (isEmptyContext(context)) throw new TypeError("bottom is not encoded");
  const stamps = new StampPacker();
  stamps.noteContext(context);
  noteElements(stamps, store);
  const writer = new Writer().u8(TAG);
  stamps.writeTable(writer);
  stamps.writeContext(writer, context);
  writeElements(writer, stamps, store);
  return writer.finish();
}

function decode(bytes: Uint8Array): TextSet {
  const reader = new Reader(bytes);
  if (reader.u8() !== TAG) throw new MalformedBytes("not a set");
  const stamps = new StampUnpacker(reader);
  const context = stamps.readContext();
  if (isEmptyContext(context)) throw new MalformedBytes("a set that nobody changed");
  const store = readElements(reader, stamps, { context, removed: EMPTY_CONTEXT });
  stamps.end();
  return { context, store };
}

export const set: Lattice<TextSet> = {
  name: "set",
  tag: TAG,
  blind: false,
  bottom: BOTTOM,
  merge: (a, b) => mergeCausal(ELEMENTS, a, b),
  accepts: (kind) => kind === "edit-set" || kind === "delete",
  readsFirst,
  isRepeatable: (op, context) => !readsFirst(op, context),
  refusal,
  mutate,
  // An edit is answered with the set that it led to.
  seenBy: (after, change) => (change.op.kind === "edit-set" ? after.context : seenUnshown(ELEMENTS, after, change)),
  view,
  isDead: (state) => state !== BOTTOM && areNone(state.store),
  lastStamp: ({ context, store }) => lastStampOf(joinContexts(context, removedFrom(store))),
  encode,
  decode,
  rename: (state, renaming) => renameCausal(ELEMENTS, state, renaming),
  packed: {
    context: (state) => contextPacked(PACKING, state),
    lastStamp: (state) => lastStampPacked(PACKING, state),
    merge: (a, b) => mergePacked(PACKING, a, b),
    change: (state, change, limits) =>
      changePacked(PACKING, state, change, {
        refusal: (part, elsewhereBytes) => refusal(part, change, limits, elsewhereBytes),
        mutate: (part) => mutate(part, change),
      }),
  },
};

/** What is to be removed must have been seen: by the client, or else by a quorum. */
function readsFirst(op: Change["op"], context: Context): boolean {
  const takesAway = op.kind === "delete" || (op.kind === "edit-set" && op.remove.length > 0);
  return takesAway && isEmptyContext(context);
}
