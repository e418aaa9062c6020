/** Answers that nobody reads: what the node keeps of them has a limit. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { EMPTY_CONTEXT } from "../src/lattice/context.js";
import { startEdge, type TestEdge } from "./http-harness.js";
import { until } from "./ports/until.js";

const MIB = 1024 * 1024;
/** More than the buffers of two sockets take. */
const ANSWER_BYTES = 24 * MIB;

let edge: TestEdge;
before(async () => {
  edge = await startEdge({ limits: { answerBytesPendingMax: ANSWER_BYTES + MIB } });
  const content = { contentType: "text/plain", value: new Uint8Array(ANSWER_BYTES), expiresAtMs: undefined };
  const view = { contents: [content], context: EMPTY_CONTEXT };
  edge.store.readOutcome = { ok: true, view, replicas: [], mended: [] };
});
after(() => edge.stop());

async function askAndWait(): Promise<Socket> {
  const socket = connect(edge.server.port, "127.0.0.1");
  socket.pause().on("error", () => {});
  const asked = edge.store.reads.length;
  socket.write("GET /v1/buckets/b/keys/k HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  await until(() => edge.store.reads.length > asked);
  return socket;
}

async function bytesFrom(socket: Socket): Promise<number> {
  let bytes = 0;
  socket.on("data", (chunk) => {
    bytes += chunk.length;
  });
  await once(socket.resume(), "close");
  return bytes;
}

test("beyond the limit whoever has not read for the longest time is cut off, and nobody else", async () => {
  const [first, second] = [await askAndWait(), await askAndWait()];
  const cut = () => edge.meter.readings("murmur_answers_cut_total")[0]?.value;
  await until(() => cut() !== undefined);
  assert.ok((await bytesFrom(first)) < ANSWER_BYTES);
  assert.ok((await bytesFrom(second)) > ANSWER_BYTES);
  assert.equal((await edge.ask("GET", "/v1/buckets/b/keys/k")).body.length, ANSWER_BYTES);
  assert.equal(cut(), 1);
});
