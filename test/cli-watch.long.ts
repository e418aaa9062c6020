/** `murmur watch`: what it makes of the events of nodes that speak, fall silent, die and come back. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { after, before, beforeEach, describe, test } from "node:test";
import type { StatsEvent } from "../src/http/stats.js";
import { clusterFile, FakeNode, murmur, problem, type Running, start, temporaryFolder } from "./cli-harness.js";
import { until } from "./ports/until.js";
import { ProcessCluster } from "./process-cluster.js";

type Line = Readonly<Record<string, unknown>>;

function statsOf(node: string, changes: Partial<StatsEvent> = {}): StatsEvent {
  return {
    at: 1,
    intervalMs: 1000,
    node,
    perSecond: { reads: {}, writes: {}, hedges: {}, mends: 0 },
    requests: { pending: 0, answered: 0 },
    ...{ rows: 10, hintsPending: 0, rebuilding: 0, loopLagMs: 0.5, rssBytes: 64 * 1024 * 1024, heapBytes: 1 },
    ...changes,
  };
}

/** A node whose events a test tells. */
class TellingNode {
  stream: ServerResponse | undefined;
  opened = 0;
  constructor(
    readonly id: string,
    readonly node: FakeNode,
  ) {
    node.instead = (asked, response) => {
      assert.deepEqual([asked.method, asked.path], ["GET", "/v1/events"]);
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      this.stream = response;
      this.opened++;
      this.tell("hello", { node: id, members: [] });
      return true;
    };
  }

  tell(event: string, data: object): void {
    this.stream?.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }
}

/** What a running command has printed, line by line. */
function linesOf({ process: child }: Running): string[] {
  const lines: string[] = [];
  let rest = "";
  child.stdout?.on("data", (text: string) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop() as string;
    lines.push(...parts);
  });
  return lines;
}

describe("murmur watch of nodes that tell their events", () => {
  const folder = temporaryFolder();
  let nodes: FakeNode[];
  let telling: TellingNode[];
  let file: string;
  before(async () => {
    nodes = [await FakeNode.start(), await FakeNode.start()];
    file = clusterFile(
      folder,
      nodes.map(({ port }) => port),
    );
  });
  beforeEach(() => {
    telling = nodes.map((node, index) => new TellingNode(`n${index + 1}`, node));
  });
  after(() => Promise.all(nodes.map((node) => node.stop())));

  const opened = () => until(() => telling.every(({ opened }) => opened === 1));

  test("sums up the nodes, marks each, and names who says what of whom", async () => {
    const running = start(["watch", "--config", file, "--count", "1"]);
    const [one, two] = telling as [TellingNode, TellingNode];
    await opened();
    one.tell("member", { at: 1, by: "n1", node: "n2", change: "down" });
    one.tell("member", { at: 1, by: "n1", node: "n2", change: "rebuilding" });
    const perSecond = { reads: { ok: 1200, timeout: 34 }, writes: { ok: 100.4 }, hedges: { sent: 2.5 }, mends: 0.3 };
    one.tell("stats", statsOf("n1", { perSecond, requests: { pending: 1, answered: 900, p50Ms: 1.5, p99Ms: 12.25 } }));
    const more = { perSecond: { ...perSecond, reads: { "not-found": 300 } }, rebuilding: 4 };
    two.tell("stats", statsOf("n2", { ...more, requests: { pending: 0, answered: 10, p50Ms: 0.5, p99Ms: 123.4 } }));
    const { code, stdout, stderr } = await running.ended;
    assert.equal(code, 0);
    const [down, rebuilding, head, figures, end] = stdout.split("\n");
    assert.match(down as string, /^\d\d:\d\d:\d\d {2}n2 is down, says n1$/);
    assert.match(rebuilding as string, /^\d\d:\d\d:\d\d {2}n2 rebuilds, says n1$/);
    assert.deepEqual(head?.split(/ {2,}/), [
      ...["time", "up", "reads/s", "writes/s", "failed/s", "hedges/s", "mends/s", "p50 ms", "p99 ms", "lag ms"],
      ...["replica rows", "rss MiB", "nodes by load"],
    ]);
    assert.deepEqual(figures?.trim().split(/ {2,}/).slice(1), [
      ...["2/2", "1,534", "201", "34", "5.0", "0.6", "1.50", "123", "0.50", "20", "128", "n1█ n2~"],
    ]);
    assert.equal(end, "");
    assert.match(stderr, /^marks: .*rebuilding/);
  });

  test("--json prints one object a line", async () => {
    const running = start(["watch", "--config", file, "--count", "1", "--json"]);
    await opened();
    telling[0]?.tell("member", { at: 7, by: "n1", node: "n2", change: "up" });
    for (const each of telling) each.tell("stats", statsOf(each.id));
    const { code, stdout, stderr } = await running.ended;
    const [member, stats] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
    assert.deepEqual(member, { event: "member", at: 7, by: "n1", node: "n2", change: "up" });
    assert.equal(stats?.event, "stats");
    assert.deepEqual(stats?.nodes, [
      { node: "n1", state: "open", stats: statsOf("n1") },
      { node: "n2", state: "open", stats: statsOf("n2") },
    ]);
    const { rows, readsPerSecond, p50Ms } = (stats as Line).totals as Line;
    assert.deepEqual([rows, readsPerSecond, p50Ms], [20, 0, undefined]);
    assert.deepEqual([code, stderr], [0, ""]);
  });

  test("a stream that breaks is told and opened again, one that says bye is told as stopping; Ctrl-C is a good end", async () => {
    const running = start(["watch", "--config", file, "--json"]);
    const lines = linesOf(running);
    const connections = () =>
      lines
        .map((line) => JSON.parse(line) as Line)
        .filter(({ event }) => event === "connection")
        .map(({ node, state, reason }) => [node, state, reason]);
    await opened();
    const [one, two] = telling as [TellingNode, TellingNode];
    one.stream?.destroy();
    await until(() => one.opened === 2 && connections().length === 2);
    two.tell("bye", { at: 1, node: "n2", reason: "stopping" });
    two.stream?.end();
    await until(() => two.opened === 2 && connections().length === 4);
    running.process.kill("SIGINT");
    assert.equal((await running.ended).code, 0);
    assert.deepEqual(connections(), [
      ["n1", "lost", "hung up"],
      ["n1", "connected", undefined],
      ["n2", "stopping", undefined],
      ["n2", "connected", undefined],
    ]);
  });

  test("a node whose figures stay away is silent until they are back", async () => {
    const running = start(["watch", "--config", file]);
    const lines = linesOf(running);
    const [one, two] = telling as [TellingNode, TellingNode];
    await opened();
    two.tell("stats", statsOf("n2", { refusing: "its clock is off" }));
    const ticking = setInterval(() => two.tell("stats", statsOf("n2", { refusing: "its clock is off" })), 100);
    one.tell("stats", statsOf("n1"));
    await until(() => lines.some((line) => line.endsWith("  n1: silent")));
    await until(() => lines.some((line) => line.endsWith("n1? n2!")));
    one.tell("stats", statsOf("n1"));
    await until(() => lines.some((line) => line.endsWith("  n1: speaks again")));
    clearInterval(ticking);
    running.process.kill("SIGTERM");
    assert.equal((await running.ended).code, 0);
    assert.ok(lines.some((line) => / 1\/2 .*n1\? n2!$/.test(line)));
  });

  test("one node is followed by its URL, and named as it names itself", async () => {
    const [one] = telling as [TellingNode];
    const running = start(["watch", "--node", nodes[0]?.url as string, "--count", "1"]);
    await until(() => one.opened === 1);
    one.tell("stats", statsOf("n1"));
    const { code, stdout } = await running.ended;
    assert.equal(code, 0);
    assert.match(stdout, / {2}1\/1 .* n1▁\n$/);
  });

  test("what tells no events at all is a failure that says why", async () => {
    const [one, two] = nodes as [FakeNode, FakeNode];
    one.instead = (_asked, response) => problem(response, 503, "overloaded");
    two.instead = () => false;
    const refused = await murmur(["watch", "--config", file, "--json"]);
    assert.deepEqual([refused.code, JSON.parse(refused.stdout).code], [1, "refused"]);
    assert.match(refused.stderr, /n1 \(overloaded: .*\), n2 \(status 404 and no events\)\n$/);
    const nobody = await murmur(["watch", "--node", "http://127.0.0.1:1"]);
    assert.deepEqual([nobody.code, nobody.stdout], [5, ""]);
    assert.match(nobody.stderr, /no node tells its events: http:\/\/127\.0\.0\.1:1 \(refused\); is the cluster up\?/);
    for (const count of ["0", "-1", "x"]) {
      assert.equal((await murmur(["watch", "--node", one.url, `--count=${count}`])).code, 2);
    }
  });
});

test("a real cluster is followed through a death, a return and a stop that waits for no listener", async () => {
  // Were a stop to wait for its streams, it would wait for longer than this test may take.
  const cluster = await ProcessCluster.create({ nodes: 3, lines: ["limits: { drainMsMax: 600000 }"] });
  try {
    await cluster.startAll();
    const running = start(["watch", "--json", "--config", cluster.file]);
    const lines = linesOf(running);
    const has = (wanted: Line) =>
      lines.some((line) => {
        const event = JSON.parse(line) as Line;
        return Object.entries(wanted).every(([name, value]) => event[name] === value);
      });
    await until(() => has({ event: "stats" }));
    await cluster.kill("n3");
    for (const by of ["n1", "n2"]) await until(() => has({ event: "member", by, node: "n3", change: "down" }));
    assert.ok(has({ event: "connection", node: "n3", state: "lost" }));
    await cluster.start("n3");
    for (const by of ["n1", "n2"]) await until(() => has({ event: "member", by, node: "n3", change: "up" }));
    await until(() => has({ event: "connection", node: "n3", state: "connected" }));
    assert.equal(await cluster.kill("n2", "SIGTERM"), 0);
    await until(() => has({ event: "connection", node: "n2", state: "stopping" }));
    running.process.kill("SIGINT");
    assert.equal((await running.ended).code, 0);
  } finally {
    await cluster.close();
  }
});
