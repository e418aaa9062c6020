/**
 * What may be wrong with a replica: merging, acknowledging, voting, stamping.
 */
import { type Mutant, withFault } from "./mutant.js";

const REGISTER = "lattice/register.js";
const REPLICA = "replica/replica.js";
const ROWS = "replica/rows.js";
const VOTES = "replica/votes.js";
const MINT = "replica/mint.js";

export const MERGE_MUTANTS: readonly Mutant[] = [
  {
    name: "merge-keeps-the-older",
    defect: "of two states the join keeps the one with the lower stamp",
    edits: [{ file: REGISTER, find: "compare(a, b) >= 0 ? a : b", replace: "compare(a, b) <= 0 ? a : b" }],
  },
  {
    name: "ties-by-arrival",
    defect: "of two stamps of one microsecond the one that came first wins, and not the higher actor",
    edits: [
      {
        file: REGISTER,
        find: "return byStamp !== 0 ? byStamp : compareBytes(encode(a), encode(b));",
        replace: "return a.stamp.timeUs === b.stamp.timeUs ? 0 : byStamp;",
      },
    ],
  },
  {
    name: "tombstone-gives-way",
    defect: "a value wins over a tombstone, whatever their stamps: a lattice still, but a delete is undone",
    edits: [
      {
        file: REGISTER,
        find: "return compare(a, b) >= 0 ? a : b;",
        replace: "if (a.tombstone !== b.tombstone) return a.tombstone ? b : a;\n    return compare(a, b) >= 0 ? a : b;",
      },
    ],
  },
  {
    name: "merge-into-durable",
    defect: "a merge starts from the durable view: of two in one group commit the first is lost",
    edits: [
      {
        file: REPLICA,
        find: "const before = world.storage.latest(entry.row);",
        replace: "const before = world.storage.durable(entry.row);",
      },
    ],
  },
  {
    name: "merge-over-damage",
    defect: "a merge takes the place of a row that cannot be read, and of whatever newer state that held",
    needs: withFault("damage"),
    edits: [
      {
        file: REPLICA,
        find: 'this.onDamage(entry.row, error);\n            onResult("damaged");',
        replace: 'this.commit(entry.row, undefined, entry.state, () => onResult("ok"));',
      },
    ],
  },
  {
    name: "beaten-is-ok",
    defect: "an owner that holds a higher stamp says ok, and not beaten",
    edits: [{ file: REPLICA, find: "const beaten = isClients", replace: "const beaten = false" }],
  },
];

export const DURABILITY_MUTANTS: readonly Mutant[] = [
  {
    name: "ack-before-durable",
    defect: "a merge is acknowledged before its commit is on the disk",
    needs: withFault("blackout"),
    edits: [
      {
        file: REPLICA,
        find: "this.commit(entry.row, held, merged === incoming ? entry.state : lattice.encode(merged), onCommitted);",
        replace:
          "this.commit(entry.row, held, merged === incoming ? entry.state : lattice.encode(merged), () => {}), onCommitted();",
      },
    ],
  },
  {
    name: "nothing-new-acks-at-once",
    defect: "a merge that adds nothing does not wait for the pending commit that absorbed it",
    needs: withFault("blackout"),
    edits: [{ file: REPLICA, find: "this.parts.world.storage.commit([], onDone);", replace: "onDone();" }],
  },
  {
    name: "failed-commit-is-ok",
    defect: "a commit that the disk refused is acknowledged",
    needs: withFault("failing disk"),
    edits: [
      {
        file: REPLICA,
        find: 'return kind === "full" ? "disk-full" : "damaged";',
        replace: 'return "ok";',
      },
    ],
  },
  {
    name: "damaged-is-absent",
    defect: "a row that cannot be read is answered as not found",
    needs: withFault("damage"),
    edits: [
      {
        file: REPLICA,
        find: 'return { status: "damaged", votes, state: undefined };',
        replace: 'return { status: "absent", votes, state: undefined };',
      },
    ],
  },
  {
    name: "checksum-unchecked",
    defect: "a stored row is believed without its checksum",
    needs: withFault("damage"),
    edits: [
      {
        file: ROWS,
        find: "record.length <= DIGEST_BYTES || !beginsWith(record, rowDigest(row, state))",
        replace: "record.length <= DIGEST_BYTES",
      },
    ],
  },
];

export const VOTE_MUTANTS: readonly Mutant[] = [
  {
    name: "rebuilder-votes",
    defect: "an owner that is new or wiped votes at once",
    needs: withFault("wipe", "old copy"),
    edits: [
      {
        file: VOTES,
        find: "return hasBit(this.durable[placement] ?? NO_BYTES, partition);",
        replace: "return true;",
      },
    ],
  },
  {
    name: "rebuilder-reads-count",
    defect: "what an owner that rebuilds answers to a read counts",
    needs: withFault("wipe", "old copy"),
    edits: [
      {
        file: REPLICA,
        find: "const votes = this.votesFor(row);",
        replace: "const votes = true;",
      },
    ],
  },
];

export const STAMP_MUTANTS: readonly Mutant[] = [
  {
    name: "stamp-by-wall-clock",
    defect: "a stamp is the wall clock's reading, and not above the last one",
    edits: [
      {
        file: MINT,
        find: "Math.max(this.lastUs + 1, aboveUs + 1, askedUs)",
        replace: "Math.max(aboveUs + 1, askedUs)",
      },
    ],
  },
  {
    name: "actor-shared",
    defect: "a new store takes an actor that another store has",
    edits: [{ file: MINT, find: "vouched ? record.actor : u64(world.random)", replace: "vouched ? record.actor : 1n" }],
  },
];
