/** Which requests a node takes on when it has too much to do. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Admission, PENDING_LEAST, workOf } from "../src/http/admission.js";

const LIMITS = { admissionLagMs: 50 };
const MIX = { write: 100, read: 200, many: 100 };

/** A window of requests, none of which ends. Returns how many of each were taken on. */
function window(admission: Admission, lateMs: number, requests: Readonly<typeof MIX> = MIX): typeof MIX {
  const taken = { write: 0, read: 0, many: 0 };
  for (const work of ["many", "read", "write"] as const) {
    for (let request = 0; request < requests[work]; request++) if (admission.enter(work)) taken[work]++;
  }
  for (let beat = 0; beat < 5; beat++) admission.beat(lateMs);
  return taken;
}

/** It has as many requests at hand as it takes on in any case. */
function busy(): Admission {
  const admission = new Admission(LIMITS);
  for (let request = 0; request < PENDING_LEAST; request++) admission.enter("read");
  return admission;
}

function sum({ write, read, many }: typeof MIX): number {
  return write + read + many;
}

describe("admission", () => {
  test("a node in time takes on everything", () => {
    const admission = busy();
    for (let round = 0; round < 10; round++) assert.deepEqual(window(admission, 50), MIX);
  });

  test("the later, the fewer: batches and listings go first, then reads, and writes last", () => {
    const admission = busy();
    const taken = Array.from({ length: 30 }, () => window(admission, 150));
    for (const [index, each] of taken.entries()) {
      const before = taken[index - 1];
      assert.ok(before === undefined || sum(each) <= sum(before), "never more than before");
      assert.ok(each.many === 0 || each.read === MIX.read, "a batch is taken on only where all reads are");
      assert.ok(each.read === 0 || each.write === MIX.write, "a read is taken on only where all writes are");
    }
    assert.ok(taken.some(({ many, read }) => many === 0 && read > 100));
    assert.ok(taken.some(({ read, write }) => read === 0 && write > 10));
  });

  test("a node that is in time again takes on a little more each time, and all of a load that it can serve", () => {
    const admission = busy();
    for (let round = 0; round < 6; round++) window(admission, 150);
    const few = sum(window(admission, 0));
    const more = sum(window(admission, 0));
    assert.ok(few < more && more < 1.1 * few + 2, `${few} and ${more}`);
    const light = { write: 5, read: 10, many: 5 };
    window(admission, 0, light);
    assert.deepEqual(window(admission, 0, light), light);
  });

  test("finds the capacity of a node that can do so many, from ten times as much", () => {
    const admission = busy();
    const capacity = 100;
    const offered = { write: 0, read: 1000, many: 0 };
    let lateMs = 0;
    const taken = Array.from({ length: 200 }, () => {
      const count = sum(window(admission, lateMs, offered));
      lateMs = Math.max(0, lateMs + (count - capacity));
      return count;
    });
    const settled = taken.slice(100);
    const mean = settled.reduce((total, count) => total + count, 0) / settled.length;
    assert.ok(mean > 0.8 * capacity && mean <= 1.05 * capacity, `${mean} of ${capacity}`);
  });

  test("a node with few requests at hand refuses none, however late it is", () => {
    const admission = new Admission(LIMITS);
    for (let round = 0; round < 50; round++) {
      assert.ok(admission.enter("many"));
      admission.leave();
      admission.beat(1000);
    }
  });

  test("a request's first line tells what it asks for", () => {
    const expected = [
      ["GET", "/v1/buckets/b/keys/a", "read"],
      ["HEAD", "/v1/buckets/b/keys64/YQ?r=ONE", "read"],
      ["PUT", "/v1/buckets/b/keys/a", "write"],
      ["DELETE", "/v1/buckets/b/keys/a", "write"],
      ["POST", "/v1/buckets/b/keys/a", "write"],
      ["GET", "/v1/buckets/b/keys?limit=5", "many"],
      ["POST", "/v1/batch", "many"],
      ["GET", "/v1/cluster", undefined],
      ["GET", "/health/ready", undefined],
      ["GET", "/metrics", undefined],
      ["GET", "/v1/buckets/", "many"],
    ] as const;
    for (const [method, target, work] of expected) assert.equal(workOf(method, target), work, `${method} ${target}`);
  });
});
