/** Which requests a node takes on when it has too much to do, and how fast it refuses the others. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { Admission, BEAT_MS, PENDING_LEAST, type Work, workOf } from "../src/http/admission.js";
import { holdMsOf, Refusals } from "../src/http/refusals.js";
import { startEdge } from "./http-harness.js";
import { until } from "./ports/until.js";

const LIMITS = { admissionWaitMs: 100, refusalHoldMsMax: 500, requestDeadlineMs: 2000, requestsPendingMax: 1000 };

/** A node that serves so many requests in each beat, as long as it has any, and is offered others. */
class Served {
  readonly admission = new Admission(LIMITS);
  /** Requests that it could have served besides. */
  idle = 0;
  private credit = 0;

  constructor(private readonly perBeat: number) {}

  /** Returns how many of each beat's requests were taken on, in all these beats. */
  run(beats: number, offered: Partial<Record<Work, number>>, busyShare = 1): Record<Work, number> {
    const taken = { write: 0, read: 0, many: 0 };
    for (let beat = 0; beat < beats; beat++) {
      // Kinds take turns, as they come.
      const most = Math.max(...Object.values(offered));
      for (let turn = 0; turn < most; turn++) {
        for (const work of ["many", "read", "write"] as const) {
          if (turn < (offered[work] ?? 0) && this.admission.enter(work)) taken[work]++;
        }
      }
      this.credit += this.perBeat;
      for (; this.credit >= 1; this.credit--) {
        if (this.admission.atHand > 0) this.admission.leave();
        else this.idle++;
      }
      this.admission.beat(BEAT_MS, busyShare);
    }
    return taken;
  }
}

describe("admission", () => {
  test("a node that serves what it is offered takes on everything, though it has no rest", () => {
    const node = new Served(40);
    assert.deepEqual(node.run(100, { write: 10, read: 20, many: 10 }), { write: 1000, read: 2000, many: 1000 });
  });

  for (const factor of [1.5, 3, 10]) {
    test(`at ${factor} times what it serves, a node has at hand what it serves within the bound, and rests never`, () => {
      const perBeat = 40;
      const node = new Served(perBeat);
      node.run(200, { write: factor * perBeat });
      assert.equal(node.idle, 0);
      const waitMs = (node.admission.atHand / perBeat) * BEAT_MS;
      assert.ok(waitMs > LIMITS.admissionWaitMs / 2 && waitMs < 1.5 * LIMITS.admissionWaitMs, `${waitMs} ms`);
    });
  }

  test("batches and listings go first, then reads, and writes last", () => {
    const all = { write: 30, read: 30, many: 30 };
    const [some, more, most] = [70, 50, 20].map((perBeat) => {
      const node = new Served(perBeat);
      node.run(200, all);
      return node.run(100, all);
    });
    assert.ok(some !== undefined && more !== undefined && most !== undefined);
    assert.ok(some.write > 2900 && some.read > 2800 && some.many < 1500, JSON.stringify(some));
    assert.ok(more.write > 2900 && more.read < 2500 && more.many < 100, JSON.stringify(more));
    assert.ok(most.write > 1500 && most.read < 500 && most.many === 0, JSON.stringify(most));
  });

  test("a node that has rest waits for others: it takes on everything, however long that takes", () => {
    const node = new Served(1);
    assert.equal(node.run(500, { read: 10 }, 0.5).read, 5000);
  });

  test("a node with few requests at hand takes on more, however long they take", () => {
    const node = new Served(0);
    node.run(500, { write: 10 });
    while (node.admission.atHand > 0) node.admission.leave();
    node.run(10, {});
    const few = node.run(10, { write: 6 });
    assert.equal(few.write, 60);
    assert.ok(few.write < PENDING_LEAST);
  });

  test("after an overload it takes on all of a load that it can serve", () => {
    const node = new Served(40);
    node.run(200, { read: 400 });
    node.run(50, { read: 30 });
    assert.equal(node.run(100, { read: 30 }).read, 3000);
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

test("a node with much at hand begins nothing for a client that has left", async () => {
  const many = PENDING_LEAST / 2;
  const edge = await startEdge();
  try {
    const held: Array<() => void> = [];
    edge.store.held = held;
    const ask = (key: string) => edge.ask("GET", `/v1/buckets/b/keys/${key}`);
    const asked = Array.from({ length: many }, () => ask("held"));
    await until(() => held.length === many);
    for (let request = 0; request < 20; request++) {
      const socket = connect(edge.server.port, "127.0.0.1");
      socket.write("GET /v1/buckets/b/keys/left HTTP/1.1\r\nHost: localhost\r\n\r\n", () => socket.destroy());
      await once(socket, "close");
    }
    asked.push(ask("stayed"));
    await until(() => held.length > many);
    const keys = edge.store.reads.slice(many).map(({ key }) => Buffer.from(key).toString());
    assert.deepEqual(keys, ["stayed"]);
    for (const answer of held) answer();
    edge.store.held = undefined;
    await Promise.all(asked);
    const { body } = await edge.ask("GET", "/metrics");
    assert.match(body.toString(), /murmur_requests_admitted\S* 0\n/);
  } finally {
    await edge.stop();
  }
});

describe("refusals", () => {
  /** So many in each of so many beats, of which so many were served. Returns in which beat each was refused. */
  function refusedIn(beats: number, each: number, served: number, limits = LIMITS): number[] {
    const refusals = new Refusals(limits);
    const refused: number[] = [];
    let now = 0;
    for (; now < beats; now++) {
      const since = now;
      refusals.beat(now * BEAT_MS, served);
      for (let count = 0; count < each; count++) refusals.add(now * BEAT_MS, 500, () => refused.push(now - since));
    }
    refusals.close();
    return refused;
  }

  test("leave at once while as many are served", () => {
    assert.deepEqual(refusedIn(10, 20, 20), new Array(200).fill(0));
  });

  test("leave no faster than answers, and each after half a second at the latest", () => {
    const refused = refusedIn(100, 22, 20);
    const held = refused.filter((beats) => beats > 0);
    assert.ok(held.length > 1000 && refused.length === 2200);
    const many = refusedIn(200, 200, 20, { ...LIMITS, requestsPendingMax: 100_000 });
    assert.equal(Math.max(...many), 500 / BEAT_MS);
    assert.equal(many.length, 40_000);
  });

  test("are held back no more when too many are", () => {
    const refused = refusedIn(20, 200, 20, { ...LIMITS, requestsPendingMax: 100 });
    assert.ok(refused.filter((beats) => beats === 0).length > 3000);
    assert.equal(refused.length, 4000);
  });

  test("are held for half of the patience that the request names, and not with a body to be kept", () => {
    const key = "/v1/buckets/b/keys/k";
    assert.equal(holdMsOf(key, {}, LIMITS), 500);
    assert.equal(holdMsOf(`${key}?r=ONE&timeout=300ms`, { "content-length": "100" }, LIMITS), 150);
    assert.equal(holdMsOf(`${key}?timeout=10s`, {}, LIMITS), 500);
    assert.equal(holdMsOf(`${key}?timeout=soon`, {}, LIMITS), 0);
    assert.equal(holdMsOf("/v1/batch", {}, LIMITS), 0);
    assert.equal(holdMsOf(key, { "content-length": "100000" }, LIMITS), 0);
    assert.equal(holdMsOf(key, { "transfer-encoding": "chunked" }, LIMITS), 0);
  });
});
