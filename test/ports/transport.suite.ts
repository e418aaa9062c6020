/**
 * What every Transport must do, real or simulated: frames may get lost, but
 * never damaged, misattributed, or delivered out of turn.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { below } from "../../src/base/random.js";
import { DEFAULT_LIMITS, type Limits } from "../../src/config.js";
import type { NodeId, Transport } from "../../src/ports.js";
import { SimRandom } from "../../src/sim/random.js";

/** Some members that can reach each other, under perfect weather. */
export interface Fleet {
  transport(id: NodeId): Transport;
  until(condition: () => boolean): Promise<void>;
  crash(id: NodeId): Promise<void>;
  /** Starts a crashed member anew; `transport(id)` is then its new one. */
  restart(id: NodeId): Promise<void>;
  close(): Promise<void>;
}

export interface TransportBody {
  readonly name: string;
  open(ids: readonly NodeId[], limits: Limits): Promise<Fleet>;
}

interface Inbox {
  readonly inputs: Array<{ readonly from: NodeId; readonly frames: readonly Uint8Array[] }>;
  texts(): string[];
}

function inboxOf(transport: Transport): Inbox {
  const inputs: Inbox["inputs"] = [];
  transport.onReceive((from, frames) => inputs.push({ from, frames }));
  return { inputs, texts: () => inputs.flatMap(({ frames }) => frames.map((frame) => Buffer.from(frame).toString())) };
}

/** Bytes that differ by length and place, so that any mix-up shows. */
function patterned(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = index * 31 + length * 7 + (index >>> 8);
  return bytes;
}

export function transportSuite(body: TransportBody): void {
  const withFleet =
    (ids: readonly NodeId[], use: (fleet: Fleet) => Promise<void>, limits = DEFAULT_LIMITS) =>
    async () => {
      const fleet = await body.open(ids, limits);
      try {
        await use(fleet);
      } finally {
        await fleet.close();
      }
    };

  describe(`the port Transport, ${body.name}`, () => {
    test("bytes arrive as they were sent, from one byte to megabytes", withFleet(["n1", "n2"], deliversIntact));
    test("the sender is known", withFleet(["n1", "n2", "n3"], namesTheSender));
    test("nothing calls back inside send or release", withFleet(["n1", "n2"], neverCallsBackInside));
    test("nothing leaves before release", withFleet(["n1", "n2"], holdsUntilRelease));
    test("thousands of frames in many turns: none damaged, none twice", withFleet(["n1", "n2"], carriesMany));
    test("what is sent to nobody known is dropped without a word", withFleet(["n1", "n2"], dropsForUnknown));
    test("frames for a crashed peer are lost, and flow again after its return", withFleet(["n1", "n2"], survivesCrash));
    test("of one turn, control leaves first and bulk last", withFleet(["n1", "n2"], leavesInLanes));
    test("a full lane drops its own frames alone", withFleet(["n1", "n2"], dropsByLane, NARROW));
    test("a receiver may answer at once", withFleet(["n1", "n2"], answersAtOnce));
  });
}

async function deliversIntact(fleet: Fleet): Promise<void> {
  const inbox = inboxOf(fleet.transport("n2"));
  const lengths = [1, 2, 100, 16_384, 16_385, 65_536, 65_537, 1_000_000, 5_000_000];
  for (const length of lengths) fleet.transport("n1").send("n2", patterned(length));
  fleet.transport("n1").release();
  await fleet.until(() => inbox.inputs.reduce((sum, { frames }) => sum + frames.length, 0) === lengths.length);
  const frames = inbox.inputs.flatMap((input) => input.frames).sort((a, b) => a.length - b.length);
  for (const [index, length] of lengths.entries()) {
    assert.ok(Buffer.compare(frames[index] as Uint8Array, patterned(length)) === 0, `${length} bytes differ`);
  }
}

async function namesTheSender(fleet: Fleet): Promise<void> {
  const inbox = inboxOf(fleet.transport("n3"));
  for (const id of ["n1", "n2"]) {
    fleet.transport(id).send("n3", Buffer.from(id));
    fleet.transport(id).release();
  }
  await fleet.until(() => inbox.inputs.length === 2);
  for (const { from, frames } of inbox.inputs) assert.equal(Buffer.from(frames[0] as Uint8Array).toString(), from);
}

async function neverCallsBackInside(fleet: Fleet): Promise<void> {
  let isInside = false;
  let received = 0;
  for (const id of ["n1", "n2"]) {
    fleet.transport(id).onReceive(() => {
      assert.ok(!isInside, "called back inside a call");
      received++;
    });
  }
  isInside = true;
  fleet.transport("n1").send("n2", Buffer.from("a"));
  fleet.transport("n1").release();
  fleet.transport("n2").send("n1", Buffer.from("b"));
  fleet.transport("n2").release();
  isInside = false;
  await fleet.until(() => received === 2);
}

async function holdsUntilRelease(fleet: Fleet): Promise<void> {
  const [one, two] = [inboxOf(fleet.transport("n1")), inboxOf(fleet.transport("n2"))];
  fleet.transport("n1").send("n2", Buffer.from("held"));
  // Whole exchanges of the other direction pass meanwhile.
  for (const text of ["a", "b", "c"]) {
    const before = one.inputs.length;
    fleet.transport("n2").send("n1", Buffer.from(text));
    fleet.transport("n2").release();
    await fleet.until(() => one.inputs.length > before);
  }
  assert.equal(two.inputs.length, 0);
  fleet.transport("n1").release();
  await fleet.until(() => two.inputs.length === 1);
  assert.deepEqual(two.texts(), ["held"]);
}

async function carriesMany(fleet: Fleet): Promise<void> {
  const inbox = inboxOf(fleet.transport("n2"));
  const random = new SimRandom("many frames");
  const sent = Array.from({ length: 5000 }, (_, index) => `${index} ${"x".repeat(below(random, 300))}`);
  for (const text of sent) {
    fleet.transport("n1").send("n2", Buffer.from(text));
    if (below(random, 10) === 0) fleet.transport("n1").release();
  }
  fleet.transport("n1").release();
  await fleet.until(() => inbox.inputs.reduce((sum, { frames }) => sum + frames.length, 0) === sent.length);
  assert.deepEqual(inbox.texts().sort(), sent.sort());
  assert.ok(inbox.inputs.length < sent.length, "frames of one read are one input");
}

async function dropsForUnknown(fleet: Fleet): Promise<void> {
  const inbox = inboxOf(fleet.transport("n2"));
  fleet.transport("n1").send("nobody", Buffer.from("lost"));
  fleet.transport("n1").send("n2", Buffer.from("arrives"));
  fleet.transport("n1").release();
  fleet.transport("n1").release();
  await fleet.until(() => inbox.inputs.length === 1);
  assert.deepEqual(inbox.texts(), ["arrives"]);
}

async function survivesCrash(fleet: Fleet): Promise<void> {
  const sender = fleet.transport("n1");
  const before = inboxOf(fleet.transport("n2"));
  sender.send("n2", Buffer.from("before"));
  sender.release();
  await fleet.until(() => before.inputs.length === 1);
  // What is on its way to a process never reaches the next one of that name.
  sender.send("n2", Buffer.from("last"));
  sender.release();
  await fleet.crash("n2");
  sender.send("n2", Buffer.from("meanwhile"));
  sender.release();
  await fleet.restart("n2");
  const after = inboxOf(fleet.transport("n2"));
  sender.send("n2", Buffer.from("after"));
  sender.release();
  await fleet.until(() => after.inputs.length === 1);
  assert.deepEqual(after.texts(), ["after"]);
  assert.ok(["before", "before,last"].includes(before.texts().join()), before.texts().join());
}

async function answersAtOnce(fleet: Fleet): Promise<void> {
  const [one, two] = [fleet.transport("n1"), fleet.transport("n2")];
  let answers = 0;
  two.onReceive((from, frames) => {
    for (const frame of frames) two.send(from, frame);
    two.release();
  });
  one.onReceive((_, frames) => {
    answers += frames.length;
  });
  for (let question = 0; question < 64; question++) one.send("n2", patterned(100));
  one.release();
  await fleet.until(() => answers === 64);
}

async function leavesInLanes(fleet: Fleet): Promise<void> {
  const inbox = inboxOf(fleet.transport("n2"));
  const sender = fleet.transport("n1");
  for (const lane of ["bulk", "small", "control", "bulk", "control", undefined] as const) {
    sender.send("n2", Buffer.from(lane ?? "small"), lane);
  }
  sender.release();
  await fleet.until(() => inbox.texts().length === 6);
  assert.deepEqual(inbox.texts(), ["control", "control", "small", "small", "bulk", "bulk"]);
}

const NARROW: Limits = { ...DEFAULT_LIMITS, peerQueueBytesMax: 2000, controlQueueBytesMax: 100 };

async function dropsByLane(fleet: Fleet): Promise<void> {
  const inbox = inboxOf(fleet.transport("n2"));
  const sender = fleet.transport("n1");
  for (let frame = 0; frame < 5; frame++) {
    sender.send("n2", new Uint8Array(900), "bulk");
    sender.send("n2", new Uint8Array(60), "control");
  }
  for (let frame = 0; frame < 2; frame++) sender.send("n2", new Uint8Array(300), "small");
  sender.release();
  const lengths = (): number[] => inbox.inputs.flatMap(({ frames }) => frames.map(({ length }) => length));
  await fleet.until(() => lengths().length >= 5);
  assert.deepEqual(lengths(), [60, 300, 300, 900, 900]);
  // There is room again for what comes later.
  sender.send("n2", new Uint8Array(900), "bulk");
  sender.release();
  await fleet.until(() => lengths().length === 6);
}
