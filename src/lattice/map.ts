/**
 * The map: named fields that are registers, counters, sets or maps, changed together under one dot.
 *
 * A removal takes away what it has seen of a field, and what was changed
 * concurrently survives. A map without fields is absent. What is said of
 * counters in shards.ts holds of those within maps: they cannot go back to what
 * a client's context saw, so whatever takes something away reads first.
 */
import { MalformedBytes, NO_BYTES, Reader, utf8, Writer } from "../base/bytes.js";
import { type Causal, changeCausal, mergeCausal, renameCausal, type Stores, seenUnshown } from "./causal.js";
import { EMPTY_CONTEXT, isEmptyContext, joinContexts, lastStampOf } from "./context.js";
import { editOfFields, namesOfEdit, refusalOfFields, takesAway } from "./edit-fields.js";
import {
  apartFields,
  type FieldStore,
  type Fields,
  foldFields,
  maps,
  removedFromFields,
  writeEachField,
} from "./fields.js";
import type { GrowthLimits, Lattice, View } from "./lattice.js";
import type { Change, OpRefusal } from "./op.js";
import { changePacked, contextPacked, lastStampPacked, mergePacked } from "./packed-causal.js";
import { StampPacker, StampUnpacker } from "./packed-stamps.js";
import type { Packing } from "./packed-state.js";
import { skimField } from "./skim-fields.js";

export type FieldMap = Causal<Fields>;

const TAG = 5;
const BOTTOM: FieldMap = { context: EMPTY_CONTEXT, store: [] };
const FIELDS: Stores<Fields> = { empty: BOTTOM.store, join: maps.join, rename: maps.rename, isNone: maps.isNone };

const PACKING: Packing<FieldStore> = {
  ...{ tag: TAG, stores: FIELDS, skim: skimField },
  read: (reader, stamps, place, count) => maps.read(reader, stamps, place, 1, count),
  note: maps.note,
  write: writeEachField,
  namesIn: (op) => (op.kind === "edit-map" ? namesOfEdit(op) : undefined),
};

function mutate(state: FieldMap, change: Change): FieldMap {
  const { op, stamp, context, id } = change;
  // Without a context, a change takes away what its minter holds.
  const seen = isEmptyContext(context) ? state.context : context;
  if (op.kind !== "edit-map") return changeCausal(FIELDS, state, stamp, seen, maps.emptied(state.store, state.context));
  const edit = editOfFields(op, state.store, {
    ...change,
    dot: stamp,
    held: state.context,
    seen,
    hasId: id !== undefined,
  });
  return changeCausal(FIELDS, state, stamp, EMPTY_CONTEXT, edit);
}

/** Beside other fields of so many bytes. */
function refusal(state: FieldMap, change: Change, limits: GrowthLimits, elsewhereBytes = 0): OpRefusal | undefined {
  const { op, stamp } = change;
  if (op.kind !== "edit-map") return undefined;
  const refused = refusalOfFields(op, state.store, stamp, limits);
  if (refused !== undefined) return refused;
  const bytes = elsewhereBytes + maps.bytes(mutate(state, change).store);
  if (bytes <= limits.stateBytesMax || bytes <= elsewhereBytes + maps.bytes(state.store)) return undefined;
  return { kind: "too-large", detail: `the key comes to ${bytes} bytes; at most ${limits.stateBytesMax} are stored` };
}

function view({ context, store }: FieldMap): View {
  if (maps.isNone(store)) return { contents: [], context };
  return { contents: [{ contentType: "application/json", value: utf8(`{"value":${maps.json(store)}}`) }], context };
}

function apartUpTo({ store }: FieldMap, upToUs: number): Uint8Array {
  const apart = apartFields(store, upToUs);
  if (apart.length === 0) return NO_BYTES;
  const [stamps, writer] = [new StampPacker(), new Writer()];
  maps.note(stamps, apart);
  stamps.writeTable(writer);
  maps.write(writer, stamps, apart);
  return writer.finish();
}

function fold(state: FieldMap, upToUs: number): FieldMap {
  const store = foldFields(state.store, upToUs);
  return store === state.store ? state : { ...state, store };
}

function encode({ context, store }: FieldMap): Uint8Array {
  if (isEmptyContext(context)) throw new TypeError("bottom is not encoded");
  const stamps = new StampPacker();
  stamps.noteContext(context);
  maps.note(stamps, store);
  const writer = new Writer().u8(TAG);
  stamps.writeTable(writer);
  stamps.writeContext(writer, context);
  maps.write(writer, stamps, store);
  return writer.finish();
}

function decode(bytes: Uint8Array): FieldMap {
  const reader = new Reader(bytes);
  if (reader.u8() !== TAG) throw new MalformedBytes("not a map");
  const stamps = new StampUnpacker(reader);
  const context = stamps.readContext();
  if (isEmptyContext(context)) throw new MalformedBytes("a map that nobody changed");
  const store = maps.read(reader, stamps, { context, removed: EMPTY_CONTEXT }, 1);
  stamps.end();
  return { context, store };
}

export const map: Lattice<FieldMap> = {
  name: "map",
  tag: TAG,
  blind: false,
  bottom: BOTTOM,
  merge: (a, b) => mergeCausal(FIELDS, a, b),
  accepts: (kind) => kind === "edit-map" || kind === "delete",
  readsFirst: (op) => op.kind === "delete" || (op.kind === "edit-map" && takesAway(op)),
  // A counter that is removed loses what its minter holds, whatever the client has seen.
  isRepeatable: (op) => op.kind === "edit-map" && !takesAway(op),
  refusal,
  mutate,
  // An edit is answered with the map that it led to.
  seenBy: (after, change) => (change.op.kind === "edit-map" ? after.context : seenUnshown(FIELDS, after, change)),
  view,
  isDead: (state) => state !== BOTTOM && maps.isNone(state.store),
  lastStamp: ({ context, store }) => lastStampOf(joinContexts(context, removedFromFields(store))),
  encode,
  decode,
  rename: (state, renaming) => renameCausal(FIELDS, state, renaming),
  apartUpTo,
  fold,
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
