/**
 * What may be wrong with upkeep and membership: comparing, moving rows, healing, knowing one another.
 */
import type { Mutant } from "./mutant.js";

const SESSION = "upkeep/session.js";
const TRANSFER = "upkeep/transfer.js";
const SYNC = "upkeep/sync.js";
const SYNC_PARTS = "upkeep/parts.js";

export const SYNC_MUTANTS: readonly Mutant[] = [
  {
    name: "sync-sees-no-difference",
    defect: "whoever is asked says that both hold the same",
    edits: [
      {
        file: SYNC,
        find: "const same = equalBytes(merkle.digestWith(from), request.digest);",
        replace: "const same = true;",
      },
    ],
  },
  {
    name: "sync-moves-nothing",
    defect: "rows that differ are found, and neither pulled nor pushed",
    edits: [{ file: SESSION, find: "this.transfer[direction](row);", replace: "void direction;" }],
  },
  {
    name: "sync-skips-tombstones",
    defect: "a sync moves values only, and leaves tombstones behind",
    edits: [
      { file: TRANSFER, find: "if (state === undefined)", replace: "if (state === undefined || state[1] === 1)" },
    ],
  },
  {
    name: "sync-stamps-anew",
    defect: "a row that a sync moves gets a higher stamp",
    edits: [
      {
        file: TRANSFER,
        find: "const entry = { row, state, bornAtUs",
        replace: "const entry = { row, state: state.map((byte, at) => (at === 9 ? byte | 1 : byte)), bornAtUs",
      },
    ],
  },
  {
    name: "every-row-is-young",
    defect: "every difference is taken for a write under way, and left alone",
    edits: [
      {
        file: SYNC_PARTS,
        find: "return ageMs >= 0 && ageMs < parts.limits.settleMs;",
        replace: "return Math.abs(ageMs) < Infinity;",
      },
    ],
  },
];

export const HEAL_MUTANTS: readonly Mutant[] = [];

export const PEER_MUTANTS: readonly Mutant[] = [];
