/**
 * What may be wrong with changes that an owner mints: their lattices, their minter, and who asks for them.
 */
import { type Mutant, withChangesOf, withFault } from "./mutant.js";

const SIBLINGS = "lattice/siblings.js";
const CAUSAL = "lattice/causal.js";
const SET = "lattice/set.js";
const SHARDS = "lattice/shards.js";
const EDITS = "lattice/edit-fields.js";
const WITH_IDS = "lattice/with-ids.js";
const MINTER = "replica/minting.js";
const REPLICA = "replica/replica.js";
const ASKER = "coordinator/minting.js";

export const LATTICE_MUTANTS: readonly Mutant[] = [
  {
    name: "merge-drops-a-sibling",
    defect: "of values that have not seen one another a merge keeps the last",
    needs: withChangesOf("siblings"),
    edits: [
      {
        file: SIBLINGS,
        find: "merge: (a, b) => mergeCausal(VALUES, a, b),",
        replace: `merge: (a, b) => {
        const merged = mergeCausal(VALUES, a, b);
        return merged === a ? a : { ...merged, store: merged.store.slice(-1) };
    },`,
      },
    ],
  },
  {
    name: "answer-covers-the-unread",
    defect: "what a blind put is answered covers all that its minter had made of the key before",
    needs: withChangesOf("siblings"),
    edits: [
      {
        file: CAUSAL,
        find: "const seen = joinContexts(context, contextOfDot(stamp));",
        replace: "const seen = joinContexts(context, contextUpTo(stamp));",
      },
    ],
  },
  {
    name: "remove-takes-the-unseen",
    defect: "a remove takes away what its minter holds of an element, and not only what its client has seen",
    needs: withChangesOf("set"),
    edits: [
      {
        file: SET,
        find: "const seen = isEmptyContext(context) ? state.context : context;",
        replace: "const seen = joinContexts(state.context, context);",
      },
    ],
  },
  {
    name: "field-removal-takes-the-unseen",
    defect:
      "the removal of a map's field takes away what its minter holds of it, and not only what its client has seen",
    needs: withChangesOf("map"),
    edits: [
      {
        file: EDITS,
        find: "joinContexts(seen, takenOf(kind, held))",
        replace: "joinContexts(seen, held)",
      },
    ],
  },
  {
    name: "larger-sum-wins",
    defect: "of an actor's two readings the larger sum wins, and not the later one: what went down comes up again",
    needs: withChangesOf("counter"),
    edits: [
      {
        file: SHARDS,
        find: "    if (a.timeUs !== b.timeUs)\n        return a.timeUs < b.timeUs ? -1 : 1;\n",
        replace: "",
      },
    ],
  },
  {
    name: "reset-takes-the-unseen",
    defect: "a reset takes away additions of an actor that it did not see",
    needs: withChangesOf("counter"),
    edits: [
      {
        file: SHARDS,
        find: "const base = later(a.base, b.base);",
        replace: "const base = later(a.base, b.base) && total;",
      },
    ],
  },
];

export const MINTING_MUTANTS: readonly Mutant[] = [
  {
    name: "counts-on-a-stale-shard",
    defect: "an owner changes what is on its disk, and not what is on its way there",
    needs: withChangesOf("counter"),
    edits: [
      {
        file: REPLICA,
        find: "const record = this.parts.world.storage.latest(row);",
        replace: "const record = this.parts.world.storage.durable(row);",
      },
    ],
  },
  {
    name: "minted-before-durable",
    defect: "a change is answered before it is on its minter's disk",
    needs: withChangesOf("siblings", "counter", "set"),
    edits: [
      {
        file: MINTER,
        find: "replica.commit(row, held, state, onCommitted);",
        replace: "replica.commit(row, held, state, () => { });\n        onCommitted();",
      },
    ],
  },
  {
    name: "minted-over-damage",
    defect: "an owner that cannot read a row changes it as if nothing were there",
    needs: (script) => withFault("damage")(script) && withChangesOf("siblings", "counter", "set")(script),
    edits: [
      {
        file: MINTER,
        find: "const held = this.parts.replica.heldLatest(wish.row);",
        replace: "const held = this.parts.replica.heldLatest(wish.row) ?? { record: undefined, state: undefined };",
      },
    ],
  },
  {
    name: "reads-nothing-first",
    defect: "a delete acts on what one owner happens to hold, without a read before it",
    needs: withChangesOf("counter", "set"),
    edits: [
      {
        file: ASKER,
        find: "if (id !== undefined || lattice.readsFirst(op, context))",
        replace: "if (id !== undefined)",
      },
    ],
  },
  {
    name: "silent-minter-replaced",
    defect: "when a minter is silent for a while another one is asked for a change that has no id",
    needs: withChangesOf("counter"),
    edits: [{ file: ASKER, find: "if (this.isRepeatable)\n            this.ask.after(", replace: "this.ask.after(" }],
  },
  {
    name: "mints-of-one-id-both-count",
    defect: "of two mints of one id that did not know of each other both count",
    needs: ({ steps }) => steps.some(({ deed }) => "change" in deed && deed.change.isNamed),
    edits: [
      { file: WITH_IDS, find: "if (inner.rename === undefined)\n        return state;", replace: "return state;" },
    ],
  },
];
