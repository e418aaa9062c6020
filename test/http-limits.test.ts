/** What is beyond a limit of the file is refused with that limit, by name, for clients to keep to. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Answer, startEdge, type TestEdge } from "./http-harness.js";

let edge: TestEdge;
before(async () => {
  edge = await startEdge({
    limits: { requestDeadlineMs: 500, requestDeadlineMsMax: 1000, listKeysMax: 5, rangeItemsMax: 4, batchItemsMax: 2 },
  });
});
after(() => edge.stop());

const batch = (body: object): Promise<Answer> =>
  edge.ask("POST", "/v1/batch", { body: JSON.stringify(body), headers: { "content-type": "application/json" } });

test("a refusal names the limit, and within it the request is taken", async () => {
  const reads = (count: number) => Array.from({ length: count }, (_, key) => ({ bucket: "users", key: `${key}` }));
  const asked: [name: string, most: number, status: number, ask: (value: number) => Promise<Answer>][] = [
    ["requestDeadlineMsMax", 1000, 400, (ms) => edge.ask("GET", `/v1/buckets/users/keys?timeout=${ms}ms`)],
    ["requestDeadlineMsMax", 1000, 400, (timeoutMs) => batch({ reads: [], timeoutMs })],
    ["requestDeadlineMsMax", 1000, 400, (ms) => edge.ask("POST", `/v1/hints/flush?timeout=${ms}ms`)],
    ["listKeysMax", 5, 400, (limit) => edge.ask("GET", `/v1/buckets/users/keys?limit=${limit}`)],
    ["rangeItemsMax", 4, 400, (limit) => edge.ask("GET", `/v1/buckets/row/partitions/k?limit=${limit}`)],
    ["batchItemsMax", 2, 413, (count) => batch({ reads: reads(count) })],
  ];
  for (const [name, most, status, ask] of asked) {
    const refused = await ask(most + 1);
    assert.deepEqual([refused.status, refused.json.limits], [status, { [name]: most }], name);
    assert.equal((await ask(most)).status, 200, name);
  }
  const { json } = await edge.ask("GET", "/v1/buckets/users/keys?limit=x");
  assert.match(String(json.detail), /^limit takes a number from 1 to 5, not "x"$/);
});
