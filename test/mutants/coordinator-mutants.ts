/**
 * What may be wrong with a coordinator: planning, counting, answering, mending, asking.
 */
import type { Script } from "../../src/sim/script.js";
import { type Mutant, withFault } from "./mutant.js";

const TALLY = "coordinator/tally.js";
const READ = "coordinator/read.js";
const WRITE = "coordinator/write.js";
const PLAN = "coordinator/plan.js";
const ASK = "coordinator/ask.js";
const MENDING = "coordinator/mending.js";
const RPC = "wire/rpc.js";

const RANGE_PAGE = "coordinator/range-page.js";

export const READ_MUTANTS: readonly Mutant[] = [
  {
    name: "page-goes-on-past-the-shortest",
    defect: "a page of a range is not cut where the shortest of its owners' pages ends",
    needs: ({ steps }) => steps.some(({ deed }) => "range" in deed),
    edits: [
      {
        file: RANGE_PAGE,
        find: "if (votes && isBefore(next, this.cut))",
        replace: "if (votes && next !== undefined && !isBefore(next, this.cut ?? next))",
      },
    ],
  },
  {
    name: "read-answers-early",
    defect: "a read is answered before so many owners durably hold what it answers: the next one goes back in time",
    edits: [
      {
        file: READ,
        find: "this.request.mend ? this.tally.isEnough() : this.tally.isAnswered()",
        replace: "this.tally.isAnswered()",
      },
    ],
  },
  {
    name: "mend-skipped",
    defect: "a mend is believed to have happened, and never sent",
    edits: [
      {
        file: MENDING,
        find: "inquiry.ask.send(node, {",
        replace:
          "tally.onHeld(node, merged, true);\n        this.host.onHeld();\n        if (entries.length === 0) inquiry.ask.send(node, {",
      },
    ],
  },
  {
    name: "read-merges-nothing",
    defect: "a read answers what came first, and not the join of its answers",
    edits: [
      {
        file: TALLY,
        find: "this.join = this.lattice.merge(this.join, held);",
        replace: "if (this.join === this.lattice.bottom) this.join = held;",
      },
    ],
  },
];

export const WRITE_MUTANTS: readonly Mutant[] = [
  {
    name: "one-ack-is-enough",
    defect: "a write is acknowledged when one owner holds it, whatever its level",
    edits: [
      {
        file: TALLY,
        find: "this.count(group, this.acknowledged) >= group.needed",
        replace: "this.count(group, this.acknowledged) >= Math.min(1, group.needed)",
      },
    ],
  },
  {
    name: "refusals-count",
    defect: "an owner that refused a write counts as one that holds it",
    needs: withFault("failing disk", "damage"),
    edits: [
      {
        file: WRITE,
        find: 'if (result.status !== "ok" && result.status !== "beaten")\n        return result.status;',
        replace: "",
      },
    ],
  },
  {
    name: "beaten-counts",
    defect: "a write that was beaten is acknowledged, and not stamped anew above what beat it",
    edits: [{ file: WRITE, find: "this.beatenByUs === 0 || isFinal", replace: "this.beatenByUs >= 0" }],
  },
  {
    name: "beaten-sent-again-as-it-was",
    defect: "the second round of a beaten write is not stamped above what beat it",
    edits: [
      { file: WRITE, find: "this.mint(this.beatenByUs);", replace: "this.mint(0);" },
      { file: WRITE, find: "this.parts.mint.observe(by);", replace: "" },
    ],
  },
  {
    name: "rounds-mixed-up",
    defect: "what owners said of a write's first stamp counts for its second",
    edits: [{ file: WRITE, find: "if (round === this.round)", replace: "if (round <= this.round)" }],
  },
  {
    name: "quorum-is-half",
    defect: "a quorum is half of the owners rounded down, and two quorums need not meet",
    edits: [
      { file: PLAN, find: "return Math.floor(count / 2) + 1;", replace: "return Math.max(1, Math.floor(count / 2));" },
    ],
  },
];

const hasDatacenters = ({ shape }: Script) => shape.datacenters > 1;

export const DATACENTER_MUTANTS: readonly Mutant[] = [
  {
    name: "local-quorum-counts-remote-owners",
    defect: "owners of another datacenter count toward LOCAL_QUORUM and LOCAL_ONE",
    needs: hasDatacenters,
    edits: [
      {
        file: PLAN,
        find: "return [{ owners: ranked(near, here), needed: neededOf(near.length) }];",
        replace: "return [{ owners: ranked(owners, here), needed: neededOf(near.length) }];",
      },
    ],
  },
  {
    name: "relay-answers-for-all",
    defect: "a relay's acknowledgement counts for all owners that it should have forwarded the write to",
    needs: hasDatacenters,
    edits: [
      {
        file: "coordinator/relayed.js",
        find: "this.learn(reply);",
        replace:
          'this.learn(reply);\n        if (from === this.relay && reply?.kind === "merge-reply")\n            for (const other of this.parts)\n                if (other !== part)\n                    this.onReply(other, reply);',
      },
    ],
  },
];

export const ASK_MUTANTS: readonly Mutant[] = [
  {
    name: "deadline-off",
    defect: "nothing happens when an operation's deadline has passed",
    edits: [{ file: ASK, find: "this.after(deadlineMs, onDeadline);", replace: "" }],
  },
  {
    name: "answers-of-another-question",
    defect: "the ids of questions repeat so soon that a late answer is taken for that of another question",
    edits: [{ file: RPC, find: "const ID_LIMIT = 2 ** 32;", replace: "const ID_LIMIT = 4;" }],
  },
  {
    name: "repeated-ack-counts-twice",
    defect: "an acknowledgement that the network delivers twice counts as two owners'",
    needs: withFault("duplication"),
    edits: [
      {
        file: RPC,
        find: "this.waiting.delete(id);",
        replace: 'if (reply?.kind !== "merge-reply")\n            this.waiting.delete(id);',
      },
      {
        file: TALLY,
        find: "acknowledged = new Set();\n    refused",
        replace: "acknowledged = Object.assign([], { add(node) { this.push(node); }, has: () => true });\n    refused",
      },
      {
        file: TALLY,
        find: "return group.owners.filter(({ node }) => nodes.has(node)).length;",
        replace:
          "return Array.isArray(nodes) ? nodes.filter((each) => group.owners.some(({ node }) => node === each)).length : group.owners.filter(({ node }) => nodes.has(node)).length;",
      },
    ],
  },
];
