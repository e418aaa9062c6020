import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_LIMITS } from "../../src/config.js";
import type { World } from "../../src/ports.js";
import { type Owners, Votes } from "../../src/replica/votes.js";
import { SimClock } from "../../src/sim/clock.js";
import { SimDisk } from "../../src/sim/disk.js";
import { SimMeter } from "../../src/sim/meter.js";
import { SimRandom } from "../../src/sim/random.js";
import { SimStorage } from "../../src/sim/storage.js";
import { SimNetwork } from "../../src/sim/transport.js";
import { Turn } from "../../src/turn.js";

/** The votes of the first of `owners` (`a1 a2 b1`: the letter is the datacenter) in one partition. */
class Booth {
  readonly clock = new SimClock();
  readonly disk = new SimDisk();
  actor = 1n;
  votes!: Votes;
  private turn!: Turn;
  private storage: SimStorage | undefined;

  constructor(private readonly names: string) {
    this.open();
  }

  open(): void {
    this.storage?.crash();
    const random = new SimRandom("booth");
    this.storage = new SimStorage({ clock: this.clock, disk: this.disk, commitMs: 1 });
    const transport = new SimNetwork(this.clock, random).port("a1");
    const log = { info() {}, warn() {} };
    const world: World = {
      clock: this.clock,
      random,
      transport,
      storage: this.storage,
      meter: new SimMeter(),
      log,
      bootId: "",
    };
    this.turn = new Turn(world);
    const names = this.names.split(" ");
    const owners: Owners = {
      ...{ self: names[0] as string, partitions: 1, placements: 1 },
      ownersOf: () => names,
      ownedBy: () => [0],
      datacenterOf: (node) => node[0] as string,
    };
    this.votes = this.turn.run(() => new Votes(this.turn.world, DEFAULT_LIMITS, owners, () => this.actor));
  }

  /** `a2` was synced; `a2?` was, while it did not vote itself. */
  sync(peers: string): boolean {
    this.turn.run(() => {
      for (const peer of peers.split(" ").filter((each) => each !== "")) {
        this.votes.markSynced(0, 0, peer.replace("?", ""), !peer.endsWith("?"));
      }
    });
    this.clock.runUntil(this.clock.nowMs() + 10);
    return this.votes.has(0, 0);
  }

  /** Flips one bit of what is stored. */
  damageRecord(): void {
    const [record] = this.storage?.scan(Uint8Array.of(0), Uint8Array.of(1), 1) ?? [];
    assert.ok(record !== undefined);
    const flipped = Uint8Array.from(record.value);
    flipped[flipped.length - 1] = (flipped[flipped.length - 1] as number) ^ 1;
    this.run(() => this.turn.world.storage.commit([{ key: record.key, value: flipped }], () => {}));
  }

  run(work: () => void, forMs = 10): void {
    this.turn.run(work);
    this.clock.runUntil(this.clock.nowMs() + forMs);
  }
}

/** N-W+1 others that vote, or all others there are. */
const TABLE: readonly (readonly [owners: string, synced: string, votes: boolean])[] = [
  ["a1", "", true],
  ["a1 a2", "", false],
  ["a1 a2", "a2", true],
  ["a1 a2", "a2?", true],
  ["a1 a2 a3", "a2", false],
  ["a1 a2 a3", "a2 a3", true],
  ["a1 a2 a3", "a2? a3", true],
  ["a1 a2 a3", "a2? a3?", true],
  ["a1 a2 a3 a4 a5", "a2 a3", false],
  ["a1 a2 a3 a4 a5", "a2 a3 a4", true],
  ["a1 a2 a3 a4 a5", "a2? a4 a5", false],
  ["a1 a2 a3 a4 a5", "a2? a3 a4 a5", true],
  ["a1 a2 a3 a4 a5", "a2? a3? a4? a5?", true],
  ["a1 a2 a3 b1 b2 b3", "a2 b1 b2", false],
  ["a1 a2 a3 b1 b2 b3", "a2 a3 b1", true],
];

for (const [owners, synced, votes] of TABLE) {
  test(`of [${owners}], the first having synced with [${synced}], it ${votes ? "votes" : "rebuilds"}`, () => {
    assert.equal(new Booth(owners).sync(synced), votes);
  });
}

test("a vote counts once it is durable, survives a crash, and lapses with its actor", () => {
  const booth = new Booth("a1 a2 a3");
  assert.equal(booth.votes.rebuilding, 1);
  booth.sync("a2 a3");
  assert.equal(booth.votes.rebuilding, 0);
  booth.open();
  assert.ok(booth.votes.has(0, 0));
  booth.actor = 2n;
  booth.open();
  assert.ok(!booth.votes.has(0, 0));
});

test("a renewed actor loses its votes at once", () => {
  const booth = new Booth("a1 a2 a3");
  booth.sync("a2 a3");
  booth.run(() => {
    booth.actor = 2n;
    booth.votes.lapse();
    assert.ok(!booth.votes.has(0, 0));
  });
  assert.ok(!booth.votes.has(0, 0));
  assert.ok(booth.sync("a2 a3"));
});

test("the operator's word that a cluster is new grants every vote", () => {
  const booth = new Booth("a1 a2 a3");
  booth.run(() => booth.votes.grantAll());
  assert.ok(booth.votes.has(0, 0));
});

for (const owners of ["a1", "a1 a2 a3"]) {
  test(`of [${owners}], a full disk grants nothing until it has room again`, () => {
    const booth = new Booth(owners);
    booth.disk.fail(5, "full");
    assert.ok(!booth.sync("a2 a3"));
    booth.clock.runUntil(booth.clock.nowMs() + 1000);
    assert.ok(booth.votes.has(0, 0));
  });
}

for (const [state, forMs] of [
  ["waits for its turn", undefined],
  ["is on its way", 0],
  ["is tried again", 10],
] as const) {
  test(`a record of votes that ${state} when the node stops is not tried any more: the store may be closed`, () => {
    const booth = new Booth("a1 a2 a3");
    if (forMs !== undefined) booth.disk.fail(5, "full");
    booth.run(() => {
      for (const peer of ["a2", "a3"]) booth.votes.markSynced(0, 0, peer, true);
      if (forMs === undefined) booth.votes.stop();
    }, forMs);
    booth.run(() => booth.votes.stop());
    assert.ok(!booth.clock.step());
    assert.ok(!booth.votes.has(0, 0));
  });
}

test("a new life that vouches for the past keeps its votes, also over a crash", () => {
  const booth = new Booth("a1 a2 a3");
  booth.sync("a2 a3");
  booth.run(() => {
    booth.actor = 2n;
    booth.votes.keep();
  });
  assert.ok(booth.votes.has(0, 0));
  booth.open();
  assert.ok(booth.votes.has(0, 0));
});

test("a damaged record of votes grants nothing", () => {
  const booth = new Booth("a1 a2 a3");
  booth.sync("a2 a3");
  booth.damageRecord();
  booth.open();
  assert.ok(!booth.votes.has(0, 0));
});
