/** A cluster whose file allows less than the command asks for by itself: it asks again, within what it is told. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { after, before, beforeEach, test } from "node:test";
import { type Asked, FakeNode, murmur, reply } from "./cli-harness.js";

let node: FakeNode;
before(async () => {
  node = await FakeNode.start();
});
after(() => node.stop());
beforeEach(() => {
  node.asked.length = 0;
});

function beyond(response: ServerResponse, status: number, limits: Readonly<Record<string, number>>): true {
  const code = status === 413 ? "too-large" : "bad-request";
  return reply(response, status, { status, code, detail: "as told", mayHaveApplied: false, limits });
}

const run = (words: readonly string[], input?: string) => murmur([...words, "--node", node.url], input);
const limitsAsked = () => node.asked.map(({ query }) => query.get("limit"));

function pages(items: readonly unknown[], name: "keys" | "cells", limitName: string) {
  return ({ query }: Asked, response: ServerResponse): boolean => {
    const limit = Number(query.get("limit"));
    if (limit > 2) return beyond(response, 400, { [limitName]: 2 });
    const first = Number(query.get("after") ?? query.get("from") ?? 0);
    const next = first + limit < items.length ? `${first + limit}` : null;
    return reply(response, 200, { [name]: items.slice(first, first + limit), next });
  };
}

test("keys and cells come in pages as small as a node wants them", async () => {
  node.instead = pages(["a", "b", "c", "d", "e"], "keys", "listKeysMax");
  const keys = await run(["keys", "users"]);
  assert.deepEqual(keys, { code: 0, stdout: "a\nb\nc\nd\ne\n", stderr: "" });
  assert.deepEqual(limitsAsked(), ["1000", "2", "2", "2"]);
  assert.equal((await run(["keys", "users", "--limit", "3"])).stdout, "a\nb\nc\n");
  node.asked.length = 0;
  const cells = ["a", "b", "c"].map((sort) => ({ sort, value: "eA==", contentType: "text/plain" }));
  node.instead = pages(cells, "cells", "rangeItemsMax");
  const range = await run(["range", "rows", "k"]);
  assert.deepEqual(range, { code: 0, stdout: "a\tx\nb\tx\nc\tx\n", stderr: "" });
  assert.deepEqual(limitsAsked(), ["1000", "2", "2"]);
});

test("many keys are read in batches as small as a node wants them", async () => {
  const sizes: number[] = [];
  node.instead = ({ body }, response) => {
    const { reads } = JSON.parse(String(body)) as { reads: { key: string }[] };
    sizes.push(reads.length);
    if (reads.length > 2) return beyond(response, 413, { batchItemsMax: 2 });
    const value = (key: string) => Buffer.from(key).toString("base64");
    const results = reads.map(({ key }) => ({
      status: 200,
      value: value(key),
      contentType: "text/plain",
      context: "",
    }));
    return reply(response, 200, { results });
  };
  const got = await run(["get", "users", "-"], "a\nb\nc\nd\ne");
  assert.deepEqual(got, { code: 0, stdout: "a\ta\nb\tb\nc\tc\nd\td\ne\te\n", stderr: "" });
  assert.deepEqual(sizes, [5, 2, 2, 1]);
});

test("hints --wait goes on for longer than a node lets one request take", async () => {
  const waits: number[] = [];
  let left = 3;
  node.instead = ({ query }, response) => {
    const timeoutMs = Number.parseInt(query.get("timeout") ?? "", 10);
    if (timeoutMs > 10_000) return beyond(response, 400, { requestDeadlineMsMax: 10_000 });
    waits.push(timeoutMs);
    return reply(response, 200, { node: "n1", hints: left--, left, complete: left === 0 });
  };
  const done = await run(["hints", "--wait"]);
  assert.deepEqual(done, { code: 0, stdout: "n1: 3 hints delivered\n", stderr: "" });
  assert.deepEqual(waits, [10_000, 10_000, 10_000]);
  let rounds = 0;
  node.instead = ({ query }, response) => {
    const timeoutMs = Number.parseInt(query.get("timeout") ?? "", 10);
    if (timeoutMs > 100) return beyond(response, 400, { requestDeadlineMsMax: 100 });
    rounds++;
    const flushed = { node: "n1", hints: 5 + 3 * rounds, left: 4 + 2 * rounds, complete: false };
    setTimeout(() => reply(response, 200, flushed), timeoutMs);
    return true;
  };
  const late = await run(["hints", "--wait", "--timeout", "500ms"]);
  const [hints, kept] = [5 + 3 * rounds, 4 + 2 * rounds];
  const sentence = `n1: ${kept} of ${hints} hints still kept; murmur hints says for whom\n`;
  assert.deepEqual([late.code, late.stdout], [1, sentence]);
});
