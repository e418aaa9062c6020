/**
 * What may be wrong with what is kept for others, and with what is forgotten: hints, carriers, the reaper.
 */
import { isForgetful } from "../../src/sim/forgetting.js";
import type { Script } from "../../src/sim/script.js";
import type { Mutant } from "./mutant.js";

const TALLY = "coordinator/tally.js";
const CARRIERS = "replica/carriers.js";
const REAPING = "upkeep/reaping.js";

const forgets = ({ shape }: Script) => isForgetful(shape);

export const HINT_MUTANTS: readonly Mutant[] = [
  {
    name: "hints-count-toward-quorum",
    defect: "a hint that a stand-in keeps counts like an owner, at every level",
    edits: [
      {
        file: TALLY,
        find: "if (isKept)\n            this.isHinted = true;",
        replace:
          "if (isKept)\n            this.hintsKept = (this.hintsKept ?? 0) + 1;\n        this.isHinted ||= isKept;",
      },
      {
        file: TALLY,
        find: "this.count(group, this.acknowledged) >= group.needed",
        replace: "this.count(group, this.acknowledged) + (this.hintsKept ?? 0) >= group.needed",
      },
    ],
  },
];

export const REAPER_MUTANTS: readonly Mutant[] = [
  {
    name: "reaped-after-one-vote",
    defect: "a dead row is forgotten as soon as all its owners voted once",
    needs: forgets,
    edits: [
      {
        file: REAPING,
        find: "this.firstVotes.note(candidate, nowMs, voters);\n            onDone();",
        replace:
          "this.firstVotes.note(candidate, nowMs, voters);\n            const lives = new Map(agreed.flatMap(({ voters }) => [...voters]));\n            this.reap(agreed.map(({ candidate }) => candidate), lives, onDone);",
      },
    ],
  },
  {
    name: "old-carriers-are-taken",
    defect: "an entry is taken however long ago its state was born",
    needs: forgets,
    edits: [
      { file: CARRIERS, find: "return ageMs <= limits.carrierAgeMaxMs &&", replace: "return ageMs <= Infinity &&" },
    ],
  },
  {
    name: "reaped-without-all-owners",
    defect: "a dead row is forgotten by those of its owners that are there",
    needs: forgets,
    edits: [
      { file: REAPING, find: "if (owners.every(isAlive))", replace: "if (owners.some(isAlive))" },
      { file: REAPING, find: "candidate.owners.every((owner)", replace: "candidate.owners.some((owner)" },
    ],
  },
];
