/** Buckets of siblings, counters, sets and maps on real processes, through the client and the command. */
import assert from "node:assert/strict";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { MurmurClient, SiblingsError } from "../src/client/client.js";
import { ProcessCluster, TYPED_BUCKETS } from "./process-cluster.js";

let cluster: ProcessCluster;
let db: MurmurClient;

before(async () => {
  cluster = await ProcessCluster.create({ nodes: 3, lines: ["durability: os", ...TYPED_BUCKETS] });
  await cluster.startAll();
  db = new MurmurClient({ nodes: cluster.ids.map((id) => cluster.url(id)), timeoutMs: 10_000 });
});
after(async () => {
  await db.close();
  await cluster.close();
});

const contextOf = (answer: { headers: Record<string, unknown> }) => String(answer.headers["murmur-context"]);

test("what was written side by side stays side by side, at every node, until somebody decides", async () => {
  const carts = db.bucket("carts");
  await cluster.put("n1", "carts", "ada", "book");
  await cluster.put("n2", "carts", "ada", "pen");
  for (const id of cluster.ids) {
    const got = await cluster.call("GET", id, "/v1/buckets/carts/keys/ada", undefined, { accept: "application/json" });
    assert.equal(got.status, 300, id);
    const { siblings, context } = JSON.parse(String(got.body)) as { siblings: { value: string }[]; context: string };
    assert.deepEqual(siblings.map(({ value }) => String(Buffer.from(value, "base64"))).sort(), ["book", "pen"]);
    assert.equal(context, contextOf(got));
  }
  await assert.rejects(carts.get("ada", { single: true }), SiblingsError);
  const { siblings, context } = await carts.get("ada");
  await carts.put("ada", "late");
  await carts.put("ada", siblings.map(({ value }) => Buffer.from(value as Uint8Array).toString()).sort(), { context });
  const { siblings: left } = await carts.get("ada");
  assert.deepEqual(
    left.map(({ value }) => value),
    ["late", ["book", "pen"]],
  );
});

test("get shows siblings and resolve puts one in their place", async () => {
  await cluster.put("n1", "carts", "eve", "book");
  await cluster.put("n3", "carts", "eve", "pen");
  const shown = await cluster.command(["get", "carts", "eve"]);
  assert.equal(shown.code, 6, shown.err);
  assert.match(shown.out, /^#.*value\n1 .* book\n2 .* pen\n$/);
  const context = /--pick N --context (\S+)/.exec(shown.err)?.[1] as string;
  const resolved = await cluster.command(["resolve", "carts", "eve", "--pick", "2", "--context", context, "--trace"]);
  assert.equal(resolved.code, 0, resolved.err);
  assert.match(resolved.err, /^resolve carts\/eve through .*\n( {2}n\d .*\n)+/m);
  assert.deepEqual([String((await cluster.get("n2", "carts", "eve")).body)], ["pen"]);
});

test("a counter counts exactly, through whichever node", async () => {
  const visits = db.bucket("visits");
  await Promise.all(Array.from({ length: 60 }, (_, index) => visits.add("home", index % 3 === 0 ? -1 : 2)));
  assert.equal((await visits.count("home")).value, 60);
  assert.equal((await cluster.command(["add", "visits", "home", "-5"])).out, "55\n");
  for (const id of cluster.ids) {
    assert.equal(String((await cluster.get(id, "visits", "home")).body), '{"value":55}');
  }
  const put = await cluster.put("n1", "visits", "home", "7");
  assert.deepEqual([put.status, (JSON.parse(String(put.body)) as { code: string }).code], [409, "type-mismatch"]);
  await visits.delete("home");
  assert.deepEqual((await visits.count("home")).value, 0);
});

test("many increments of few counters in one call count each, and once under a name", async () => {
  const visits = db.bucket("visits");
  const increments = Array.from({ length: 1000 }, (_, index) => [`page ${index % 3}`, (index % 5) - 1] as const);
  const sums = [0, 1, 2].map((page) =>
    increments.filter((_, index) => index % 3 === page).reduce((sum, [, by]) => sum + by, 0),
  );
  for (let time = 0; time < 3; time++) {
    const results = await visits.addMany(increments, { idempotencyKey: "the-same-thousand" });
    assert.ok(results.every((result) => result.ok));
  }
  const writes = increments.map(([key, add]) => ({ bucket: "visits", key, op: { add } }));
  const rows = await db.batch({ writes, return: "minimal" });
  assert.ok(rows.writes.every(({ ok }) => ok));
  for (const [page, sum] of sums.entries()) {
    assert.equal((await visits.count(`page ${page}`, { consistency: "ALL" })).value, 2 * sum);
  }
});

test("a set adds and removes, and a map changes its fields at once", async () => {
  const tags = db.bucket("tags");
  assert.deepEqual((await tags.addTo("ada", ["red", "blue", "blue"])).value, ["blue", "red"]);
  assert.equal((await cluster.command(["set", "add", "tags", "ada", "green"])).code, 0);
  const { context } = await tags.elements("ada");
  await tags.addTo("ada", "red");
  // The context saw the first "red" and not the second one: the add wins.
  assert.deepEqual((await tags.removeFrom("ada", ["red", "blue"], { context })).value, ["green", "red"]);
  assert.deepEqual((await tags.removeFrom("ada", ["red", "green"])).value, []);
  assert.equal((await tags.elements("ada")).found, false);

  const profiles = db.bucket("profiles");
  const edit = { set: { name: { first: "Ada" } }, counters: { logins: 2 }, sets: { tags: { add: ["x"] } } };
  const fields = { name: { first: "Ada" }, logins: 2, tags: ["x"] };
  assert.deepEqual((await profiles.editMap("ada", { ...edit, maps: { home: { set: { city: "London" } } } })).value, {
    ...fields,
    home: { city: "London" },
  });
  assert.equal((await cluster.command(["map", "add", "profiles", "ada", "logins=3"])).code, 0);
  assert.equal((await cluster.command(["map", "remove", "profiles", "ada", "tags", "home"])).code, 0);
  assert.deepEqual((await profiles.fields("ada")).value, { name: { first: "Ada" }, logins: 5 });
  await assert.rejects(profiles.editMap("ada", { counters: { name: 1 } }), { code: "type-mismatch" });
});

test("a batch reads and changes keys of all types", async () => {
  const { writes } = await db.batch({
    writes: [
      { bucket: "visits", key: "batch", op: { add: 3 } },
      { bucket: "tags", key: "batch", op: { add: ["a"] } },
      { bucket: "carts", key: "batch", value: "book" },
      { bucket: "profiles", key: "batch", op: { set: { a: 1 } } },
    ],
  });
  assert.deepEqual(
    writes.map((write) => (write.ok ? write.value : write.error)),
    [3, ["a"], undefined, { a: 1 }],
  );
  const reads = ["visits", "tags", "carts", "profiles"].map((bucket) => ({ bucket, key: "batch" }));
  const got = await db.batch({ reads });
  assert.deepEqual(
    got.reads.map((read) => read.ok && read.value),
    [{ value: 3 }, { value: ["a"] }, "book", { value: { a: 1 } }],
  );
});

test("a row is written cell by cell and read in the order of its sort keys, page after page", async () => {
  const timelines = db.bucket("timelines");
  const days = Array.from({ length: 12 }, (_, index) => `2026-11-${String(index + 10)} ö/+%`);
  await Promise.all(days.map((sort) => timelines.put("ada/1", { day: sort }, { sort })));
  assert.deepEqual((await timelines.get("ada/1", { sort: days[3] as string })).value, { day: days[3] });
  await timelines.delete("ada/1", { sort: days[0] as string });
  const sorts: string[] = [];
  for await (const { sort, value } of timelines.eachCell("ada/1", { limit: 5, consistency: "QUORUM" })) {
    assert.deepEqual(value, { day: sort });
    sorts.push(sort);
  }
  assert.deepEqual(sorts, days.slice(1));
  const [from, to] = [days[4] as string, days[7] as string];
  const page = await timelines.range("ada/1", { from, to, limit: 2 });
  assert.deepEqual([page.cells.map(({ sort }) => sort), page.next], [days.slice(4, 6), `${days[5]}\u0000`]);
  assert.deepEqual((await timelines.keys()).keys, ["ada/1"]);
  await assert.rejects(timelines.get("ada/1"), /sort is missing/);
  await assert.rejects(timelines.range("ada/1", { limit: 0 }), /limit is a number of cells/);
});

test("all cells of a key are deleted, page after page, counters too; other keys and what is before and behind stay", async () => {
  const timelines = db.bucket("timelines");
  const scores = db.bucket("scores");
  const sorts = Array.from({ length: 25 }, (_, index) => String(index + 10));
  await Promise.all(
    sorts.flatMap((sort) => [
      timelines.put("eve", "x", { sort }),
      timelines.put("eva", "x", { sort }),
      scores.add("eve", 3, { sort }),
    ]),
  );
  const some = await timelines.deleteCells("eve", { from: "15", to: "20", consistency: "ALL" });
  assert.deepEqual(some, { deleted: 5, next: undefined });
  let [deleted, from]: [number, string | undefined] = [0, undefined];
  do {
    const page = await timelines.deleteCells("eve", { limit: 8, ...(from === undefined ? {} : { from }) });
    deleted += page.deleted;
    from = page.next;
  } while (from !== undefined);
  assert.deepEqual([deleted, (await timelines.range("eve")).cells], [20, []]);
  assert.equal((await timelines.range("eva")).cells.length, 25);
  assert.equal((await scores.deleteCells("eve")).deleted, 25);
  assert.equal((await scores.add("eve", 1, { sort: "10" })).value, 1);
});

test("cells may be counters, and the command reads and changes them", async () => {
  for (const [sort, by] of [
    ["b", "2"],
    ["a", "5"],
    ["b", "1"],
  ] as const) {
    assert.equal((await cluster.command(["add", "scores", "game", by, "--sort", sort])).code, 0);
  }
  const listed = await cluster.command(["range", "scores", "game"]);
  assert.deepEqual([listed.code, listed.out, listed.err], [0, 'a\t{"value":5}\nb\t{"value":3}\n', ""]);
  const first = await cluster.command(["range", "scores", "game", "--limit", "1", "--json"]);
  assert.equal((JSON.parse(first.out) as { sort: string }).sort, "a");
  assert.equal(first.err, "there may be more: go on with --after a\n");
  assert.equal((await cluster.command(["range", "scores", "game", "--after", "a"])).out, 'b\t{"value":3}\n');
  assert.equal((await cluster.command(["get", "scores", "game", "--sort", "a"])).out, '{"value":5}');
  assert.equal((await cluster.command(["delete", "scores", "game", "--sort", "a"])).code, 0);
  assert.equal((await cluster.command(["get", "scores", "game", "--sort", "a"])).code, 3);
  assert.equal((await cluster.command(["get", "scores", "game", "other", "--sort", "a"])).code, 2);
  assert.equal((await cluster.command(["range", "scores", "game", "--to", "b"])).out, "");
});

test("an import that goes on repeats what it has put, and makes no siblings of it", async () => {
  const file = join(cluster.folder, "carts.ndjson");
  writeFileSync(file, '{"id":"imported-1"}\n{"id":"imported-2"}\n');
  const { size: fileBytes, mtimeMs } = statSync(file);
  const identity = { bucket: "carts", keyField: "id", fileBytes, fileChangedMs: Math.floor(mtimeMs) };
  const begun = { ...identity, place: { offset: 0, line: 1 }, records: 0, failed: 0, name: "import-1" };
  for (let run = 0; run < 2; run++) {
    writeFileSync(`${file}.murmur-import`, JSON.stringify(begun));
    const { code, out } = await cluster.command(["import", file, "--bucket", "carts", "--key", "id", "--resume"]);
    assert.equal(code, 0);
    assert.match(out, /^2 records, 0 failed/);
  }
  const got = await cluster.command(["get", "carts", "imported-1"]);
  assert.deepEqual([got.code, got.out], [0, '{"id":"imported-1"}']);
});
