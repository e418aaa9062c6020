import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Durability } from "../../src/cluster-config.js";
import { DEFAULT_LIMITS } from "../../src/config.js";
import type { Stamp } from "../../src/lattice/stamp.js";
import { FORMER_BOUND_US } from "../../src/membership/lives.js";
import type { World } from "../../src/ports.js";
import { Mint } from "../../src/replica/mint.js";
import { type NodeClock, SimClock } from "../../src/sim/clock.js";
import { type CopyKind, SimDisk } from "../../src/sim/disk.js";
import { SimMeter } from "../../src/sim/meter.js";
import { SimRandom } from "../../src/sim/random.js";
import { SimStorage } from "../../src/sim/storage.js";
import { SimNetwork } from "../../src/sim/transport.js";
import { Turn } from "../../src/turn.js";

/** One store's mint over many lives of its process. */
class Lives {
  readonly clock = new SimClock();
  readonly disk = new SimDisk();
  bootId = 1;
  private lives = 0;
  private storage: SimStorage | undefined;
  private turn!: Turn;
  nodeClock!: NodeClock;
  mint!: Mint;

  constructor(private readonly durability: Durability = "group") {}

  start(offsetMs = 0): this {
    const seed = new SimRandom(`lives ${this.lives++}`);
    this.nodeClock = this.clock.nodeClock({ offsetMs });
    this.storage = new SimStorage({ clock: this.nodeClock, disk: this.disk, commitMs: 1 });
    const log = { info() {}, warn() {} };
    const world: World = {
      ...{ clock: this.nodeClock, random: seed, storage: this.storage, meter: new SimMeter(), log },
      transport: new SimNetwork(this.clock, seed).port("n1"),
      bootId: `boot ${this.bootId}`,
    };
    this.turn = new Turn(world);
    this.mint = this.turn.run(() => new Mint(this.turn.world, DEFAULT_LIMITS, this.durability));
    return this;
  }

  crash(): this {
    this.nodeClock.stop();
    this.storage?.crash();
    return this;
  }

  /** An orderly stop. */
  stop(): this {
    let isStopped = false;
    this.turn.run(() =>
      this.mint.stop(() => {
        isStopped = true;
      }),
    );
    while (!isStopped) assert.ok(this.clock.step());
    return this.crash();
  }

  settle(): this {
    this.clock.runUntil(this.clock.nowMs() + 10);
    return this;
  }

  /** Mints, and waits for the disk if it must. */
  stamp(aboveUs = 0): Stamp | undefined {
    let answer: { stamp: Stamp | undefined } | undefined;
    this.turn.run(() =>
      this.mint.mint(aboveUs, (stamp) => {
        answer = { stamp };
      }),
    );
    while (answer === undefined) assert.ok(this.clock.step());
    return answer.stamp;
  }

  run(work: () => void): void {
    this.turn.run(work);
  }

  /** Flips one bit of what is stored. */
  damageRecord(): void {
    const [record] = this.storage?.scan(Uint8Array.of(0), Uint8Array.of(1), 1) ?? [];
    assert.ok(record !== undefined);
    const flipped = Uint8Array.from(record.value);
    flipped[20] = (flipped[20] as number) ^ 1;
    this.run(() => this.turn.world.storage.commit([{ key: record.key, value: flipped }], () => {}));
    this.settle();
  }
}

test("stamps go up, however the wall clock jumps within sane bounds, and none but the actor's end lets them go back", () => {
  const lives = new Lives().start().settle();
  let last: Stamp = { timeUs: 0, actor: lives.mint.actor };
  for (const jumpMs of [0, 5000, -9000, 1, -1, 86_400_000, 0, -86_400_000, 0, -3000]) {
    lives.nodeClock.jump(jumpMs);
    const stamp = lives.stamp();
    assert.ok(stamp !== undefined);
    assert.equal(stamp.timeUs < last.timeUs, jumpMs === -86_400_000, `jump by ${jumpMs} ms`);
    assert.equal(stamp.actor !== last.actor, jumpMs === -86_400_000);
    last = stamp;
  }
});

test("a clock that was wrong and is right again leaves no stamps ahead, and keeps the votes", () => {
  const lives = new Lives().start().settle();
  const told: boolean[] = [];
  lives.mint.onRenewed = (isVouched) => told.push(isVouched);
  lives.nodeClock.jump(3_600_000);
  lives.stamp();
  lives.nodeClock.jump(-3_600_000);
  const stamp = lives.stamp();
  assert.ok(stamp !== undefined && stamp.timeUs <= lives.nodeClock.wallMs() * 1000);
  assert.deepEqual(told, [true]);
  assert.ok(lives.mint.nowMs() <= lives.nodeClock.wallMs());
});

test("however often a node is restarted, the contexts it hands out are sane", () => {
  for (const end of ["crash", "stop"] as const) {
    const lives = new Lives().start().settle();
    for (let life = 0; life < 30; life++) {
      lives[end]().start().settle();
      const stamp = lives.stamp();
      assert.ok(stamp !== undefined && stamp.timeUs < lives.mint.latestSaneUs() - 2_000_000, `life ${life}`);
    }
  }
});

test("a full disk at start ends no life: what is known is vouched for", () => {
  const lives = new Lives().start().settle();
  const { actor, boundUs } = lives.mint;
  lives.crash().disk.fail(1, "full");
  lives.start().settle();
  lives.run(() => lives.mint.observeRemembered(boundUs, false));
  assert.equal(lives.mint.actor, actor);
});

test("a damaged record begins a new life", () => {
  const lives = new Lives().start().settle();
  const { actor } = lives.mint;
  lives.damageRecord();
  lives.crash().start().settle();
  assert.notEqual(lives.mint.actor, actor);
});

test("no stamp is minted twice, over any history of crashes, jumps and mints", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("mint" as const), aboveMs: fc.integer({ min: 0, max: 9000 }) }),
    fc.record({ kind: fc.constant("crash" as const), offsetMs: fc.integer({ min: -100_000, max: 100_000 }) }),
    fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: 20_000 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const lives = new Lives().start();
      const last = new Map<bigint, number>();
      for (const each of steps) {
        if (each.kind === "crash") lives.crash().start(each.offsetMs);
        if (each.kind === "pass") lives.clock.runUntil(lives.clock.nowMs() + each.ms);
        if (each.kind !== "mint") continue;
        const stamp = lives.stamp(Math.floor(lives.nodeClock.wallMs() + each.aboveMs) * 1000);
        assert.ok(stamp !== undefined && stamp.timeUs > (last.get(stamp.actor) ?? 0), `${stamp?.timeUs} again`);
        last.set(stamp.actor, stamp.timeUs);
      }
    }),
    { numRuns: 300 },
  );
});

const RENEWALS: readonly (readonly [
  name: string,
  durability: Durability,
  life: (lives: Lives) => void,
  renewed: boolean,
])[] = [
  ["kill -9", "group", (lives) => lives.crash(), false],
  ["kill -9, durability os", "os", (lives) => lives.crash(), false],
  ["orderly stop and reboot, durability os", "os", (lives) => lives.stop().bootId++, false],
  ["power loss, durability group", "group", (lives) => lives.crash().bootId++, false],
  ["power loss, durability os", "os", (lives) => lives.crash().bootId++, true],
  ["a new disk", "group", (lives) => wipe(lives), true],
  ["an orderly stop and a copy of the files as they are", "group", (lives) => putBack(lives.stop(), "files"), true],
  ["a snapshot of the volume as it is", "group", (lives) => putBack(lives.stop(), "snapshot"), false],
];

function putBack({ disk }: Lives, as: CopyKind): void {
  disk.copy();
  disk.restore(as);
}

function wipe(lives: Lives): void {
  lives.crash().disk.wipe();
}

for (const [name, durability, life, renewed] of RENEWALS) {
  test(`after ${name} the actor is ${renewed ? "another" : "the same"}`, () => {
    const lives = new Lives(durability).start().settle();
    const { actor } = lives.mint;
    life(lives);
    lives.start().settle();
    assert.equal(lives.mint.actor !== actor, renewed);
  });
}

test("a peer that remembers more of this store than it does itself ends its life", () => {
  const lives = new Lives().start().settle();
  const { actor, boundUs } = lives.mint;
  let lapses = 0;
  lives.mint.onRenewed = () => lapses++;
  lives.run(() => lives.mint.observeRemembered(boundUs, false));
  assert.equal(lives.mint.actor, actor);
  lives.run(() => lives.mint.observeRemembered(boundUs + 1, false));
  assert.notEqual(lives.mint.actor, actor);
  assert.equal(lapses, 1);
  assert.equal(lives.stamp()?.actor, lives.mint.actor);
});

test("what a peer remembers from before this process ends its life, though the bound is above that by now", () => {
  const lives = new Lives().start().settle();
  const { actor, boundUs } = lives.mint;
  lives.crash().start().settle();
  assert.equal(lives.mint.foundBoundUs, boundUs);
  lives.run(() => lives.mint.observeRemembered(boundUs, true));
  assert.equal(lives.mint.actor, actor);
  lives.run(() => lives.mint.mint(boundUs, () => {}));
  lives.settle();
  assert.ok(lives.mint.boundUs > boundUs + 1);
  lives.run(() => lives.mint.observeRemembered(boundUs + 1, false));
  assert.equal(lives.mint.actor, actor);
  lives.run(() => lives.mint.observeRemembered(boundUs + 1, true));
  assert.notEqual(lives.mint.actor, actor);
});

test("a peer that knows a later life of this store ends this one, whenever it tells", () => {
  for (const isFirst of [true, false]) {
    const lives = new Lives().start().settle();
    lives.crash().start().settle();
    const { actor } = lives.mint;
    lives.run(() => lives.mint.observeRemembered(FORMER_BOUND_US, isFirst));
    assert.notEqual(lives.mint.actor, actor);
  }
});

test("a stamp of our own that we never minted ends this life; a peer's only raises the clock", () => {
  const lives = new Lives().start().settle();
  const { actor, boundUs } = lives.mint;
  const timeUs = boundUs - 1;
  lives.run(() => lives.mint.observe({ timeUs, actor: actor + 1n }));
  assert.equal(lives.mint.actor, actor);
  assert.ok((lives.stamp()?.timeUs ?? 0) > timeUs);
  lives.clock.runUntil(lives.clock.nowMs() + 60_000);
  lives.run(() => lives.mint.observe({ timeUs: lives.mint.boundUs, actor }));
  assert.equal(lives.mint.actor, actor);
  lives.run(() => lives.mint.observe({ timeUs: lives.mint.boundUs + 1, actor }));
  assert.notEqual(lives.mint.actor, actor);
});

test("an insane stamp raises no clock, and its key stays writable above it", () => {
  const lives = new Lives().start().settle();
  const insaneUs = lives.mint.latestSaneUs() + 1_000_000;
  lives.run(() => lives.mint.observe({ timeUs: insaneUs, actor: 7n }));
  const ordinary = lives.stamp();
  assert.ok(ordinary !== undefined && ordinary.timeUs < insaneUs);
  const above = [lives.stamp(insaneUs), lives.stamp(insaneUs), lives.stamp(insaneUs)].map(
    (stamp) => stamp?.timeUs ?? 0,
  );
  assert.ok((above[0] as number) > insaneUs && (above[1] as number) > (above[0] as number));
  assert.ok((lives.stamp()?.timeUs ?? 0) < insaneUs);
});

test("a new life has another actor for stamps above an insane one too", () => {
  const lives = new Lives().start().settle();
  const insaneUs = lives.mint.latestSaneUs() + 1_000_000;
  const before = lives.stamp(insaneUs);
  lives.run(() => lives.mint.renewVouched("for this test"));
  const after = lives.stamp(insaneUs);
  assert.ok(before !== undefined && after !== undefined);
  assert.notEqual(after.actor, before.actor);
  assert.ok(![before.actor, after.actor].includes(lives.mint.actor));
});

test("a disk that refuses the bound refuses the stamp, and serves the next one", () => {
  const lives = new Lives();
  lives.disk.fail(1, "full");
  lives.start();
  assert.equal(lives.stamp(), undefined);
  assert.notEqual(lives.stamp(), undefined);
});
