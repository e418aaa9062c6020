/** `murmur hints`: the table of what is kept for whom, and the wait until it is delivered. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { HintsReport } from "../src/http/store.js";
import { murmur, problem, reply, startThree } from "./cli-harness.js";

describe("murmur hints of nodes that say so", () => {
  const reports: HintsReport[] = [
    {
      node: "n1",
      targets: [
        { node: "n3", hints: 1200, bytes: 345_678, oldestAgeMs: 61_000, state: "waiting" },
        { node: "n4", hints: 0, bytes: 0, oldestAgeMs: undefined, state: "expired" },
      ],
    },
    { node: "n2", targets: [] },
  ];
  const asked: string[] = [];
  let three: Awaited<ReturnType<typeof startThree>>;
  before(async () => {
    three = await startThree((index, { method, path, query }, response) => {
      asked.push(`${method} ${path} ${query.get("timeout")}`);
      const report = reports[index];
      if (report === undefined) return problem(response, 503, "overloaded");
      if (method === "GET") return reply(response, 200, report);
      const left = index === 0 && query.get("timeout") === "1000ms" ? 7 : 0;
      return reply(response, 200, { node: report.node, hints: index === 0 ? 1200 : 0, left, complete: left === 0 });
    });
  });
  after(() => three.stop());

  test("a line for each owner that a node keeps something for", async () => {
    const { code, stdout, stderr } = await murmur(["hints", "--config", three.file]);
    const cells = stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.trim().split(/ {2,}/));
    assert.deepEqual(cells, [
      ["kept by", "for", "hints", "bytes", "oldest", "state"],
      ["n1", "n3", "1,200", "345,678", "1 m 1 s", "waiting"],
      ["n1", "n4", "0", "0", "-", "expired"],
    ]);
    assert.match(stderr, /^n3: overloaded: /);
    assert.equal(code, 0);
    const one = await murmur(["hints", "--node", three.nodes[1]?.url as string]);
    assert.deepEqual([one.code, one.stdout], [0, ""]);
    assert.match(one.stderr, /^no hints: /);
  });

  test("--json is a list of what the nodes say", async () => {
    const { stdout } = await murmur(["hints", "--config", three.file, "--json"]);
    const expected = [...reports, { node: "n3", failure: "overloaded: 2 of 3 needed" }];
    assert.deepEqual(JSON.parse(stdout), JSON.parse(JSON.stringify(expected)));
  });

  test("--wait asks each node to deliver, and fails when something is left or a node is silent", async () => {
    const [first, second] = three.nodes.map(({ url }) => url) as [string, string];
    const done = await murmur(["hints", "--wait", "--node", first]);
    assert.deepEqual([done.code, done.stdout], [0, "n1: 1,200 hints delivered\n"]);
    assert.ok(asked.includes("POST /v1/hints/flush 30000ms"));
    const none = await murmur(["hints", "--wait", "--node", second]);
    assert.deepEqual([none.code, none.stdout], [0, "n2: nothing to deliver\n"]);
    const late = await murmur(["hints", "--wait", "--timeout", "1s", "--node", first]);
    assert.equal(late.code, 1);
    assert.match(late.stdout, /^n1: 7 of 1,200 hints still kept/);
    assert.equal((await murmur(["hints", "--wait", "--config", three.file])).code, 1, "n3 does not say");
    for (const wrong of [
      ["--wait", "--timeout", "soon"],
      ["--timeout", "1s"],
    ]) {
      assert.equal((await murmur(["hints", "--node", first, ...wrong])).code, 2, wrong.join(" "));
    }
  });
});
