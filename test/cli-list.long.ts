/** `murmur keys` and `murmur range`: page after page, to the end or to the limit, and how to go on. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { keyOfLine } from "../src/cli/terminal.js";
import { FakeNode, murmur, problem, reply } from "./cli-harness.js";
import { ProcessCluster } from "./process-cluster.js";

let node: FakeNode;
/** All keys; a page's token is the place in it. */
let keys: string[];
before(async () => {
  node = await FakeNode.start();
});
after(() => node.stop());
beforeEach(() => {
  node.asked.length = 0;
  keys = Array.from({ length: 2500 }, (_, index) => `key ${index}`);
  node.instead = ({ path, query }, response) => {
    assert.equal(path, "/v1/buckets/users/keys");
    const from = Number(query.get("after") ?? 0);
    const end = from + Number(query.get("limit"));
    return reply(response, 200, { keys: keys.slice(from, end), next: end < keys.length ? String(end) : null });
  };
});

const list = (...words: string[]) => murmur(["keys", "users", ...words, "--node", node.url]);

test("all keys, a line each, in as many pages as it takes", async () => {
  const { code, stdout, stderr } = await list("--consistency", "ONE", "--timeout", "2s");
  assert.deepEqual([code, stderr, stdout], [0, "", `${keys.join("\n")}\n`]);
  assert.deepEqual(
    node.asked.map(({ query }) => String(query)),
    ["", "&after=1000", "&after=2000"].map((place) => `limit=1000${place}&r=ONE&timeout=2s`),
  );
});

test("no more than asked for, and how to go on", async () => {
  const first = await list("--limit", "1200");
  assert.equal(first.stdout, `${keys.slice(0, 1200).join("\n")}\n`);
  assert.equal(first.stderr, "there may be more: go on with --after 1200\n");
  assert.equal(node.last.query.get("limit"), "200");
  const rest = await list("--after", "1200");
  assert.deepEqual([rest.stderr, rest.stdout], ["", `${keys.slice(1200).join("\n")}\n`]);
});

test("a key that would break its line is a JSON string; --json prints objects", async () => {
  keys = ["a b", "line\nbreak", "\u0000"];
  assert.equal((await list()).stdout, 'a b\n"line\\nbreak"\n"\\u0000"\n');
  const lines = (await list("--json")).stdout.trim().split("\n");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as object),
    keys.map((key) => ({ bucket: "users", key })),
  );
});

test("an empty bucket has no keys; what fails in the middle says how to go on", async () => {
  keys = [];
  assert.deepEqual(await list(), { code: 0, stdout: "", stderr: "" });
  node.instead = ({ query }, response) =>
    query.has("after") ? problem(response, 504, "timeout") : reply(response, 200, { keys: ["a"], next: "AQ" });
  const torn = await list();
  assert.deepEqual([torn.code, torn.stdout], [4, "a\n"]);
  assert.match(torn.stderr, /^go on with --after AQ\n.*timeout: /);
  node.instead = (_asked, response) => reply(response, 200, {});
  assert.equal((await list()).code, 1);
  for (const limit of ["0", "-1", "many"]) assert.equal((await list(`--limit=${limit}`)).code, 2);
});

test("a range says how to go on from any sort key, also where a later page fails", async () => {
  const cells = (sorts: readonly string[]) => sorts.map((sort) => ({ sort, value: "eA==", contentType: "text/plain" }));
  let next = "a\tb\0";
  node.instead = ({ query }, response) =>
    query.get("from") === next
      ? problem(response, 503, "unavailable")
      : reply(response, 200, { cells: cells(["a", '"q"', "a\tb"]), next });
  const range = (...words: string[]) => murmur(["range", "rows", "k", ...words, "--node", node.url]);
  const stdout = 'a\tx\n"\\"q\\""\tx\n"a\\tb"\tx\n';
  const torn = await range();
  assert.deepEqual([torn.code, torn.stdout], [4, stdout]);
  assert.match(torn.stderr, /^go on with --after \$'a\\tb'\nmurmur: unavailable: /);
  const short = await range("--limit", "3");
  assert.deepEqual(short, { code: 0, stdout, stderr: "there may be more: go on with --after $'a\\tb'\n" });
  await range("--after", "a\tb");
  assert.equal(node.last.query.get("from"), next);
  next = "b;c";
  assert.match((await range("--limit", "3")).stderr, /go on with --from 'b;c'\n$/);
  next = "b\0c\0";
  assert.match((await range("--limit", "3")).stderr, /go on with --from b, which repeats some: /);
  assert.equal((await range("--limit", "0")).code, 2);
});

test("a real cluster lists its keys, and gives them all to get", async () => {
  const cluster = await ProcessCluster.create({ nodes: 3 });
  try {
    await cluster.startAll();
    const plain = Array.from({ length: 30 }, (_, index) => `key/${index}`);
    const names = [...plain, "line\nbreak", "a\u2028b", '"quoted"', '"', "x;y", "\0"];
    await Promise.all(names.map((name) => cluster.put("n1", "b", name, "value")));
    const listed = await cluster.command(["keys", "b"]);
    const lines = listed.out.trim().split("\n");
    assert.deepEqual(lines.map(keyOfLine).sort(), [...names].sort());
    const got = await cluster.command(["get", "b", "absent", "-", "--hedge", "p95"], listed.out);
    assert.equal(got.out, lines.map((line) => `${line}\tvalue\n`).join(""));
    assert.equal(got.code, 3);
    assert.match(got.err, /^b\/absent: not found\n/);
  } finally {
    await cluster.close();
  }
});
