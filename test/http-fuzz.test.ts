/**
 * Garbage HTTP, thousands of times: the edge answers with a refusal that the
 * contract knows, or closes; it never fails inside and never dies.
 *
 * A seed repeats every byte: MURMUR_FUZZ_SEED, printed on failure.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../src/base/seeded.js";
import { HttpGarbage, verdictOn } from "../torture/garbage-http.js";
import { startEdge } from "./http-harness.js";

const REQUESTS = 4000;
const AT_ONCE = 32;
const SEED = Number(process.env.MURMUR_FUZZ_SEED ?? Date.now() % 2 ** 32);

test(`${REQUESTS} pieces of garbage are refused, and the edge lives`, async () => {
  const edge = await startEdge({ limits: { drainMsMax: 10 } });
  const garbage = new HttpGarbage(new SeededRandom(SEED));
  // Sends one piece and ends the sending side, so that whatever is missing does not hold the test up.
  const provoke = async (bytes: Buffer) => {
    const sent = JSON.stringify(bytes.toString("latin1"));
    verdictOn(await edge.raw(bytes, true), (complaint) => assert.fail(`seed ${SEED}: ${sent}: ${complaint}`));
  };
  for (let sent = 0; sent < REQUESTS; sent += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, () => provoke(garbage.next())));
  }
  assert.equal((await edge.ask("PUT", "/v1/buckets/users/keys/after", { body: "all" })).status, 204);
  assert.equal((await edge.ask("GET", "/v1/buckets/users/keys/after")).body.toString(), "all");
  assert.deepEqual(edge.warnings, []);
  await edge.stop();
});
