import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { LANES, type Lane } from "../../src/ports.js";
import { LaneQueue } from "../../src/wire/lane-queue.js";

const BOUND = 1000;
const BOUNDS: Record<Lane, number> = { control: BOUND, small: BOUND, bulk: BOUND };
const NUMBER_OF: Record<Lane, number> = { control: 0, small: 1, bulk: 2 };

/** A frame that tells its lane by its first byte. */
function frame(lane: Lane, length = 100): Uint8Array {
  return new Uint8Array(length).fill(NUMBER_OF[lane]);
}

function lanesOf(frames: readonly Uint8Array[]): (Lane | undefined)[] {
  return frames.map((bytes) => LANES[bytes[0] as number]);
}

describe("the lanes to a peer", () => {
  test("a write that has no room for all takes control first, then small, and one of bulk", () => {
    const queue = new LaneQueue(BOUNDS, 0);
    for (let count = 0; count < 9; count++) {
      queue.push(frame("bulk"), "bulk");
      queue.push(frame("small"), "small");
    }
    queue.push(frame("control"), "control");
    queue.release();
    assert.deepEqual(lanesOf(queue.take(500)), ["control", "small", "small", "small", "small", "bulk"]);
    assert.deepEqual(lanesOf(queue.take(400)), ["small", "small", "small", "small", "bulk"]);
    assert.deepEqual(lanesOf(queue.take(400)), ["small", "bulk", "bulk", "bulk"]);
  });

  test("nothing leaves that was not released", () => {
    const queue = new LaneQueue(BOUNDS, 0);
    queue.push(frame("small"), "small");
    queue.release();
    queue.push(frame("control"), "control");
    assert.deepEqual(lanesOf(queue.take(BOUND)), ["small"]);
    assert.equal(queue.mayLeave, false);
  });

  test("whatever comes and goes: each lane keeps its order and its bound, and loses only what had no room", () => {
    const step = fc.oneof(
      fc.record({ lane: fc.constantFrom(...LANES), length: fc.integer({ min: 1, max: 400 }) }),
      fc.record({ takeBytes: fc.integer({ min: 1, max: 900 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new LaneQueue(BOUNDS, 8);
        const model: Record<Lane, Uint8Array[]> = { control: [], small: [], bulk: [] };
        for (const each of steps) {
          if ("lane" in each) {
            const bytes = frame(each.lane, each.length);
            const held = model[each.lane].reduce((sum, { length }) => sum + length + 8, 0);
            const hasRoom = held + each.length + 8 <= BOUND;
            assert.equal(queue.push(bytes, each.lane), hasRoom);
            if (hasRoom) model[each.lane].push(bytes);
          } else {
            queue.release();
            const taken = queue.take(each.takeBytes);
            for (const bytes of taken) assert.equal(model[LANES[bytes[0] as number] as Lane].shift(), bytes);
            const isEmpty = LANES.every((lane) => model[lane].length === 0);
            assert.ok(isEmpty || taken.length > 0, "a take of something takes something");
            assert.equal(queue.mayLeave, !isEmpty);
          }
        }
        assert.equal(
          queue.clear(),
          LANES.reduce((sum, lane) => sum + model[lane].length, 0),
        );
      }),
    );
  });
});
