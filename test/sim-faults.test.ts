/** Faults that are withheld, because no store could survive them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../src/base/bytes.js";
import { DEFAULT_HEDGE } from "../src/cluster-config.js";
import type { Level } from "../src/config.js";
import { EMPTY_CONTEXT } from "../src/lattice/context.js";
import type { NodeId } from "../src/ports.js";
import { SimCluster } from "../src/sim/cluster.js";
import type { CopyKind } from "../src/sim/disk.js";
import { Faults } from "../src/sim/faults.js";
import type { Fault } from "../src/sim/script.js";

type Owned = Readonly<Record<"first" | "second" | "stranger", NodeId>>;

const KEY = { bucket: "b", key: utf8("k"), sort: undefined, deadlineMs: 1000 };

/** Two owners and a third node, which would do without them. */
function open() {
  const cluster = new SimCluster({ seed: "old copy", replication: 2, partitions: 1 });
  cluster.startAll();
  const faults = new Faults(
    cluster,
    1,
    () => true,
    () => {},
  );
  const owners = cluster.layout.owners[0]?.[0] ?? [];
  const [first, second] = owners as [NodeId, NodeId];
  const stranger = cluster.ids.find((id) => !owners.includes(id)) as NodeId;
  const owned: Owned = { first, second, stranger };
  return { cluster, faults, strike: (fault: Fault) => faults.strike(fault, ""), owned };
}

function write(cluster: SimCluster, at: NodeId, value: string, level: Level = "ALL"): void {
  const op = { kind: "put", contentType: "text/plain", value: utf8(value), expiresAtMs: undefined } as const;
  assert.ok(cluster.write(at, { ...KEY, op, context: EMPTY_CONTEXT, level }).ok);
}

function readAtAll(cluster: SimCluster, at: NodeId): string {
  const outcome = cluster.read(at, { ...KEY, level: "ALL", mend: true, hedge: DEFAULT_HEDGE });
  return outcome.ok ? Buffer.from(outcome.view.contents[0]?.value ?? []).toString() : outcome.failure.kind;
}

/** The old copy of an owner is put back, and starts while the only one that remembers more of it cannot tell. */
function pass({ cluster, strike, owned: { first, second, stranger } }: ReturnType<typeof open>): void {
  const at = (node: NodeId) => cluster.ids.indexOf(node);
  assert.ok(strike({ kind: "restore", node: at(first), as: "snapshot" }));
  cluster.run(5000);
  cluster.crash(stranger);
  cluster.start(stranger);
  cluster.run(1000);
  cluster.network.partition([[second], [first, stranger]]);
  assert.ok(strike({ kind: "start", node: at(first) }));
  cluster.run(1000);
  assert.ok(cluster.ids.every((id) => cluster.member(id).describe().rebuilding === 0));
}

test("nothing is taken from a disk while an old copy of another one passes for whole", () => {
  const opened = open();
  const { cluster, faults, strike, owned } = opened;
  const { first, second } = owned;
  write(cluster, first, "old");
  assert.ok(strike({ kind: "copy", node: cluster.ids.indexOf(first) }));
  cluster.run(2000);
  write(cluster, first, "new");
  pass(opened);
  const [at, lost] = [cluster.ids.indexOf(first), cluster.ids.indexOf(second)];
  const wipe: Fault = { kind: "wipe", node: lost };
  assert.ok(!strike(wipe), "it holds the last copy");
  assert.ok(!strike({ kind: "cut", from: [lost], to: [at] }), "nobody could tell");
  assert.deepEqual(
    [first, second].map((node) => faults.serves(node)),
    [false, true],
  );
  strike({ kind: "heal" });
  cluster.runUntil(() => cluster.meter(first).sum("murmur_incarnations_total") > 0);
  cluster.runUntil(() => cluster.member(first).describe().rebuilding === 0);
  assert.ok(faults.serves(first));
  assert.ok(strike(wipe));
  cluster.start(second);
  cluster.runUntil(() => readAtAll(cluster, first) === "new");
});

test("an old copy that lacks nothing takes no fault away", () => {
  const opened = open();
  const { cluster, strike, owned } = opened;
  write(cluster, owned.first, "all there is");
  assert.ok(strike({ kind: "copy", node: cluster.ids.indexOf(owned.first) }));
  cluster.run(2000);
  pass(opened);
  assert.ok(strike({ kind: "wipe", node: cluster.ids.indexOf(owned.second) }));
});

test("a snapshot is put back only while all hear one another and hold the same; copied files always", () => {
  const { cluster, strike, owned } = open();
  const { first, second } = owned;
  const at = cluster.ids.indexOf(first);
  const restore = (as: CopyKind) => strike({ kind: "restore", node: at, as });
  write(cluster, first, "old");
  assert.ok(strike({ kind: "copy", node: at }));
  assert.ok(strike({ kind: "cut", from: [cluster.ids.indexOf(owned.stranger)], to: [cluster.ids.indexOf(second)] }));
  assert.ok(!restore("snapshot"), "somebody is cut off");
  strike({ kind: "heal" });
  cluster.network.cut(first, second);
  write(cluster, first, "new", "ONE");
  cluster.network.heal();
  assert.ok(!restore("snapshot"), "one owner lacks a write");
  cluster.runUntil(() => readAtAll(cluster, second) === "new");
  assert.ok(restore("snapshot"));
  assert.ok(strike({ kind: "start", node: at }));
  cluster.run(5000);
  write(cluster, first, "newest");
  assert.ok(restore("files"));
});
