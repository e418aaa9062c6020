/** `murmur repair`: orders it of each node, follows until all are done, and says what is left. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { RepairReport } from "../src/http/store.js";
import { murmur, problem, reply, startThree } from "./cli-harness.js";

const FOUND = { row: 0, stray: 0, gap: 0, leaf: 0, order: 0 };

function reportOf(node: string, further: Partial<RepairReport> = {}): RepairReport {
  const peers = ["n1", "n2", "n3"]
    .filter((each) => each !== node)
    .map((each) => ({ node: each, state: "complete" as const, partitions: 64, differing: 3, pulled: 2, pushed: 1 }));
  const about = { node, state: "done" as const, check: false, bucket: undefined, scrubbedRows: 1200, scrubbed: 1 };
  return { ...about, found: FOUND, healedRows: 0, damagedRows: 0, peers, ...further };
}

describe("murmur repair of nodes that say so", () => {
  const asked: string[] = [];
  let finals: (RepairReport | undefined)[] = [];
  let looks = 0;
  let three: Awaited<ReturnType<typeof startThree>>;
  before(async () => {
    three = await startThree((index, { method, path, query }, response) => {
      asked.push(`${method} ${path}?${query}`);
      const final = finals[index];
      if (final === undefined) return problem(response, 503, "draining");
      if (method === "POST")
        return reply(response, 200, { ...final, state: "running", scrubbed: 0, begun: index !== 1 });
      looks++;
      return reply(response, 200, looks > 4 ? final : { ...final, state: "running", scrubbed: 0.5 });
    });
  });
  after(() => three.stop());

  async function run(reports: typeof finals, ...words: string[]): ReturnType<typeof murmur> {
    finals = reports;
    looks = 0;
    asked.length = 0;
    return murmur(["repair", "--config", three.file, ...words]);
  }

  test("a line for each node when all are done", async () => {
    const healed = reportOf("n3", { found: { ...FOUND, row: 2 }, healedRows: 2 });
    const { code, stdout, stderr } = await run([reportOf("n1"), reportOf("n2"), healed]);
    const cells = stdout.trimEnd().split("\n").slice(1);
    assert.deepEqual(
      cells.map((line) => line.trim().split(/ {2,}/)),
      [
        ["n1", "128", "6", "4", "2", "1,200", "0", "0", "whole"],
        ["n2", "128", "6", "4", "2", "1,200", "0", "0", "whole"],
        ["n3", "128", "6", "4", "2", "1,200", "2", "2", "whole"],
      ],
    );
    assert.match(stderr, /n2: a repair was under way; this follows that one/);
    assert.equal(code, 0);
    assert.ok(asked.includes("POST /v1/repair?"));
  });

  test("what is left damaged, not compared or silent is a failure", async () => {
    const whole = [reportOf("n1"), reportOf("n2"), reportOf("n3")] as const;
    const damaged = await run([reportOf("n1", { found: { ...FOUND, row: 2 }, damagedRows: 1 }), whole[1], whole[2]]);
    assert.equal(damaged.code, 1);
    assert.match(damaged.stdout, /not whole/);
    const peers = whole[1].peers.map((peer) => ({ ...peer, state: "broken" as const }));
    const broken = await run([whole[0], { ...whole[1], peers }, whole[2]]);
    assert.equal(broken.code, 1);
    assert.match(broken.stderr, /n2: not compared to the end: n1, n3/);
    const silent = await run([whole[0], whole[1], undefined]);
    assert.equal(silent.code, 1);
    assert.match(silent.stderr, /n3: draining/);
  });

  test("--check and --bucket are passed on; a difference fails a check", async () => {
    const checks = ["n1", "n2", "n3"].map((node) => reportOf(node, { check: true }));
    const { code, stdout } = await run(checks, "--check", "--bucket", "users");
    assert.equal(code, 1);
    assert.match(stdout, /differs/);
    assert.ok(
      asked.some((line) => line.startsWith("POST") && line.includes("check=true") && line.includes("bucket=users")),
    );
  });

  test("--json is a list of what the nodes say in the end", async () => {
    const reports = ["n1", "n2", "n3"].map((node) => reportOf(node));
    const { code, stdout } = await run(reports, "--json");
    assert.deepEqual(JSON.parse(stdout), JSON.parse(JSON.stringify(reports)));
    assert.equal(code, 0);
  });
});
