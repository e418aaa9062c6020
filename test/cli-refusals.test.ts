/** What a command makes of refusals: its exit code, and whether another node is asked. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { Cluster, exitCodeOf, problemFailure } from "../src/cli/cluster.js";
import { FakeNode, problem, reply } from "./cli-harness.js";

let first: FakeNode;
let second: FakeNode;
let cluster: Cluster;
before(async () => {
  [first, second] = [await FakeNode.start(), await FakeNode.start()];
  cluster = new Cluster([first.url, second.url], 5000);
});
after(() => Promise.all([first.stop(), second.stop()]));
beforeEach(() => {
  for (const node of [first, second]) {
    node.asked.length = 0;
    node.instead = (_asked, response) => reply(response, 200, {});
  }
});

const put = { method: "PUT", path: "/v1/buckets/users/keys/ada", body: Buffer.from("x") } as const;

test("whatever keeps a level from being met is exit code 4", () => {
  const codes = ["unavailable", "timeout", "failed", "overloaded", "draining", "clock-skew", "disk-full"];
  assert.deepEqual(codes.map(exitCodeOf), Array(codes.length).fill(4));
  assert.deepEqual(["bad-request", "too-many-siblings", "type-mismatch", "internal"].map(exitCodeOf), [2, 6, 1, 1]);
});

test("a node that serves nobody at present is passed over, for writes too", async () => {
  for (const code of ["clock-skew", "draining"]) {
    first.instead = (_asked, response) => problem(response, 503, code);
    const { url, status } = await cluster.ask(put);
    assert.deepEqual([url, status], [second.url, 200], code);
  }
});

test("when no node serves, the first one's reason is told", async () => {
  first.instead = (_asked, response) => problem(response, 503, "clock-skew");
  second.instead = (_asked, response) => problem(response, 503, "draining");
  const answer = await cluster.ask(put);
  assert.equal(answer.url, first.url);
  assert.equal(problemFailure(answer).exitCode, 4);
  const half = new Cluster([first.url, "http://127.0.0.1:1"], 5000);
  assert.equal((await half.ask(put)).url, first.url);
});

test("any other refusal is the answer, and nobody else is asked", async () => {
  for (const [status, code] of [
    [503, "unavailable"],
    [503, "overloaded"],
    [507, "disk-full"],
  ] as const) {
    first.instead = (_asked, response) => problem(response, status, code);
    assert.equal((await cluster.ask(put)).status, status);
  }
  first.instead = (_asked, response) => response.writeHead(503).end("<html>") !== undefined;
  assert.equal((await cluster.ask(put)).status, 503);
  assert.equal(second.asked.length, 0);
});
