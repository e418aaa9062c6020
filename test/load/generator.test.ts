/**
 * The load generator against a server that misbehaves as told: nothing that was
 * due is left out of its account. Delays are the server's; no test asks for speed.
 */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, test } from "node:test";
import { SeededRandom } from "../../src/base/seeded.js";
import { NEVER_SENT, NO_ANSWER, NO_ROOM } from "../../src/load/exchange.js";
import { Generator } from "../../src/load/generator.js";
import { LoadProcess } from "../../src/load/load-process.js";
import { SCHEDULE_STREAM } from "../../src/load/metronome.js";
import type { LoadPlan } from "../../src/load/plan.js";
import { allErrors, merged } from "../../src/load/report.js";
import { poisson } from "../../src/load/schedule.js";
import { problem } from "../cli-harness.js";
import { until } from "../ports/until.js";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(handler: Handler): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().on("end", () => handler(request, response));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function planFor(url: string, changed: Partial<LoadPlan> = {}): LoadPlan {
  return {
    urls: [url],
    bucket: "bench",
    keys: 100,
    distribution: "uniform",
    valueBytes: 20,
    readShare: 1,
    readQuery: "r=QUORUM",
    writeQuery: "w=ALL",
    arrivals: { kind: "poisson", perSecond: 200 },
    lastingMs: 500,
    timeoutMs: 30_000,
    underWayMax: 16,
    seed: "test",
    ...changed,
  };
}

test("a stall counts for every request that was due in it, not only for those that were under way", async () => {
  const STALL_MS = 300;
  let asked = 0;
  let held: Array<() => void> | undefined;
  const url = await serve((_request, response) => {
    asked++;
    if (asked === 20) {
      held = [];
      setTimeout(() => {
        for (const answer of held ?? []) answer();
        held = undefined;
      }, STALL_MS);
    }
    const answer = () => response.end();
    if (held === undefined) answer();
    else held.push(answer);
  });
  // A loop of two connections that waits for answers would have seen two slow ones.
  const generator = new Generator(planFor(url, { underWayMax: 2, lastingMs: 1000 }));
  await generator.run();
  const { reads, answered, errors } = generator.tally;
  assert.deepEqual([answered, errors.size], [reads.count, 0]);
  const shareAbove = reads.steps().findLast(({ ms }) => ms < STALL_MS / 3)?.shareAbove ?? 1;
  // Two thirds of the stall at 200 a second are 40 requests due.
  assert.ok(shareAbove * reads.count > 25, `${shareAbove * reads.count} of ${reads.count} were slow`);
});

test("errors are counted by their code, and what was never answered by how long it was not", async () => {
  const url = await serve((request, response) => {
    const key = Number(/key-(\d+)\?/.exec(request.url ?? "")?.[1]);
    if (key < 3) problem(response, 503, "unavailable");
    else if (key < 5) problem(response, 504, "timeout");
    else if (key < 6) response.writeHead(502).end("<html>");
    else if (key < 7) response.destroy();
    else if (key < 9) return;
    else response.writeHead(204).end();
  });
  const generator = new Generator(planFor(url, { keys: 20, arrivals: { kind: "each" }, timeoutMs: 400 }));
  await generator.run();
  const { writes, reads, errors, answered } = generator.tally;
  assert.deepEqual(Object.fromEntries(errors), {
    unavailable: 3,
    timeout: 2,
    "status 502": 1,
    ECONNRESET: 1,
    [NO_ANSWER]: 2,
  });
  assert.deepEqual([answered, writes.count, reads.count], [11, 11 + 2 + 2, 0]);
});

test("never more requests are under way than allowed, and all that were due are accounted for", async () => {
  let underWay = 0;
  let most = 0;
  const waiting: ServerResponse[] = [];
  const url = await serve((_request, response) => {
    most = Math.max(most, ++underWay);
    waiting.push(response);
    response.on("close", () => underWay--);
  });
  const generator = new Generator(planFor(url, { underWayMax: 3, timeoutMs: 50, lastingMs: 300 }));
  await generator.run();
  const { reads, errors, answered } = generator.tally;
  assert.equal(answered, 0);
  assert.ok(most > 0 && most <= 3);
  const schedule = poisson(new SeededRandom("test").fork(SCHEDULE_STREAM), 200, 300);
  let due = 0;
  while (schedule.next(0) !== undefined) due++;
  assert.deepEqual([reads.count, (errors.get(NO_ANSWER) ?? 0) + (errors.get(NEVER_SENT) ?? 0)], [due, due]);
});

test("beyond the bound requests fail at once where they are not to wait, and all that were due are accounted for", async () => {
  const arrivals = { kind: "poisson", perSecond: 10_000 } as const;
  const schedule = poisson(new SeededRandom("test").fork(SCHEDULE_STREAM), arrivals.perSecond, 100);
  let due = 0;
  while (schedule.next(0) !== undefined) due++;
  const waiting: ServerResponse[] = [];
  const url = await serve((_request, response) => waiting.push(response));
  const generator = new Generator(planFor(url, { arrivals, underWayMax: 2, lastingMs: 100, failsBeyondMax: true }));
  const running = generator.run();
  const { reads, errors } = generator.tally;
  await until(() => waiting.length === 2 && errors.get(NO_ROOM) === due - 2);
  for (const response of waiting) response.end();
  await running;
  assert.deepEqual([generator.tally.answered, reads.count, [...errors]], [2, 2, [[NO_ROOM, due - 2]]]);
});

test("a connection that a node closed while it was idle is no failure", async () => {
  let closed = 0;
  const url = await serve((request, response) => {
    response.end();
    closed++;
    setTimeout(() => request.socket.destroy(), 1);
  });
  const generator = new Generator(planFor(url, { arrivals: { kind: "each" }, keys: 30, underWayMax: 1 }));
  await generator.run();
  assert.deepEqual([generator.tally.answered, [...generator.tally.errors]], [30, []]);
  assert.ok(closed >= 30);
});

test("a plan with the same seed asks for the same again, another seed for something else", async () => {
  const asked: string[][] = [];
  const url = await serve((request, response) => {
    asked.at(-1)?.push(`${request.method} ${request.url}`);
    response.end();
  });
  for (const seed of ["one", "one", "other"]) {
    asked.push([]);
    await new Generator(planFor(url, { seed, readShare: 0.5, lastingMs: 200, underWayMax: 1 })).run();
  }
  const [first, again, other] = asked as [string[], string[], string[]];
  assert.deepEqual(again, first);
  assert.notDeepEqual(other, first);
  assert.ok(first.some((line) => /^GET \/v1\/buckets\/bench\/keys\/key-\d+\?r=QUORUM$/.test(line)));
  assert.ok(first.some((line) => /^PUT \/v1\/buckets\/bench\/keys\/key-\d+\?w=ALL$/.test(line)));
});

test("each key is written once, with a value of the length asked for", async () => {
  const keys: string[] = [];
  const url = await serve((request, response) => {
    assert.deepEqual([request.method, request.headers["content-length"]], ["PUT", "20"]);
    keys.push(request.url as string);
    response.end();
  });
  await new Generator(planFor(url, { arrivals: { kind: "each" }, keys: 50 })).run();
  assert.deepEqual([keys.length, new Set(keys).size], [50, 50]);
});

test("a process of its own runs one plan after another, reports, and tells how far it is", async () => {
  const url = await serve((_request, response) => response.end());
  const load = new LoadProcess();
  try {
    const filled = await load.run(planFor(url, { arrivals: { kind: "each" } }));
    assert.deepEqual([filled.answered, merged([filled.writes]).count], [100, 100]);
    let progressed = 0;
    const report = await load.run(planFor(url, { lastingMs: 600 }), ({ answered }) => {
      progressed = answered;
    });
    assert.ok(progressed > 0);
    assert.equal(merged([report.reads]).count, report.answered);
    assert.equal(merged([report.waits]).count, report.answered);
    assert.deepEqual([...allErrors([filled, report])], []);
    assert.ok(report.cpuMicros > 0 && report.loopLagMs >= 0 && report.seconds >= 0.5);
  } finally {
    await load.close();
  }
});

test("a run that is stopped reports what it has", async () => {
  const load = new LoadProcess();
  let isAsked = false;
  const url = await serve((_request, response) => {
    response.end();
    if (!isAsked) load.stop();
    isAsked = true;
  });
  try {
    const report = await load.run(planFor(url, { lastingMs: 3_600_000 }));
    assert.ok(report.answered > 0);
  } finally {
    await load.close();
  }
});

test("errors of several runs are summed, the most frequent first", () => {
  const errors = (...list: Array<[string, number]>) => ({ errors: list }) as never;
  const all = allErrors([errors(["timeout", 1], ["unavailable", 2]), errors(["timeout", 5])]);
  assert.deepEqual(
    [...all],
    [
      ["timeout", 6],
      ["unavailable", 2],
    ],
  );
});
