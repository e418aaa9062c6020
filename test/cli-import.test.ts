/**
 * `murmur import`: every good record arrives once the cluster can take it, every
 * bad one is named with its line, and an interrupted run goes on where it was.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { Sender } from "../src/cli/import-sender.js";
import { type Asked, clusterFile, FakeNode, murmur, problem, start, temporaryFolder } from "./cli-harness.js";

const folder = temporaryFolder();
let node: FakeNode;
beforeEach(async () => {
  node = await FakeNode.start();
  node.buckets = [{ bucket: "carts", type: "siblings" }];
});
afterEach(() => node.stop());

test("NDJSON: each line under its key, byte for byte; bad lines are named and counted", async () => {
  const good = ['{"id":"ada","n":1}', '{ "id": "a/b" }', '{"id":7,"":{}}', '{"id":"ä"}'];
  const bad = ["[1]", "{oops", '{"name":"none"}', '{"id":""}', '{"id":12345678901234567890}', '{"id":"\\ud800"}'];
  const file = written("users.ndjson", `\ufeff${good[0]}\r\n${good[1]}\n\n${bad.join("\n")}\n${good[2]}\n${good[3]}`);
  const { code, stdout, stderr } = await run(file, "id", "--json");
  assert.equal(code, 1);
  const { records, failed, seconds, perSecond } = JSON.parse(stdout);
  assert.deepEqual([records, failed, typeof seconds, typeof perSecond], [4, 6, "number", "number"]);
  assert.deepEqual(stored(), { "users/ada": good[0], "users/a/b": good[1], "users/7": good[2], "users/ä": good[3] });
  assert.equal(node.keys.get("users/ada")?.contentType, "application/json");
  assert.equal(node.last.headers["idempotency-key"], undefined);
  assert.equal(String(node.last.query), "w=QUORUM");
  const lines = stderr.trim().split("\n");
  assert.deepEqual(
    lines.map((line) => line.split(":")[1]),
    ["4", "5", "6", "7", "8", "9"],
  );
  assert.equal(lines[0], `${file}:4: expected a JSON object`);
  assert.equal(lines[2], `${file}:6: no text or number at id`);
  assert.equal(lines[4], `${file}:8: id is a number too large to be exact; write it as a text`);
});

test("CSV: quotes, commas and line breaks in fields; a row of another length is bad", async () => {
  const file = written(
    "users.csv",
    'id,name,"say ""hi"""\r\n1,"Ada, Countess",\r\n2,"two\r\nlines","a ""b"""\r\n3,x\r\n4,a"b,c\r\n5,y,z\r\n6,"open,',
  );
  const { code, stdout, stderr } = await run(file, "id");
  assert.equal(code, 1);
  assert.match(stdout, /^3 records, 3 failed, [\d.]+ s, [\d,]+\/s\n$/);
  assert.deepEqual(stored(), {
    "users/1": '{"id":"1","name":"Ada, Countess","say \\"hi\\"":""}',
    "users/2": '{"id":"2","name":"two\\r\\nlines","say \\"hi\\"":"a \\"b\\""}',
    "users/5": '{"id":"5","name":"y","say \\"hi\\"":"z"}',
  });
  const misquoted = "not CSV: a quote is left open, or stands inside a field";
  assert.equal(stderr, `${file}:5: expected 3 fields, found 2\n${file}:6: ${misquoted}\n${file}:8: ${misquoted}\n`);
  const unknown = await run(file, "nam");
  assert.deepEqual([unknown.code, unknown.stderr.includes('found "nam"; did you mean name?')], [2, true]);
});

test("a dotted field reaches inside, unless a field has that very name", async () => {
  const file = written("dotted.jsonl", '{"a":{"b":"inner"}}\n{"a.b":"outer","a":{"b":"inner"}}\n');
  assert.equal((await run(file, "a.b")).code, 0);
  assert.deepEqual(Object.keys(stored()), ["users/inner", "users/outer"]);
});

test("what a node refuses for its own sake is tried again; what it refuses for the record's is not", async () => {
  const file = written("retry.ndjson", lines(30));
  const seen = new Map<string, number>();
  node.instead = ({ path }, response) => {
    const times = (seen.get(path) ?? 0) + 1;
    seen.set(path, times);
    if (path.endsWith("/k7")) return problem(response, 413, "too-large");
    if (times > 1) return false;
    if (path.endsWith("/k3")) return response.destroy() !== undefined;
    return problem(response, 503, "overloaded");
  };
  const { code, stderr } = await run(file, "id");
  assert.equal(code, 1);
  assert.equal(stderr, `${file}:7: too-large: 2 of 3 needed\n`);
  assert.equal(node.keys.size, 29);
  assert.equal(seen.get("/v1/buckets/users/keys/k7"), 1);
});

test("an answer that ends before its body does is none: the record is sent again", async () => {
  let connections = 0;
  const torn = createServer((socket) => {
    connections++;
    const ending = connections === 1 ? "Content-Length: 10\r\n\r\nabc" : "Content-Length: 0\r\n\r\n";
    socket.once("data", () => socket.end(`HTTP/1.1 200 OK\r\n${ending}`));
  });
  await new Promise<void>((resolve) => torn.listen(0, "127.0.0.1", resolve));
  const { port } = torn.address() as AddressInfo;
  const sender = new Sender([`http://127.0.0.1:${port}`], 1, new AbortController().signal);
  assert.equal(await sender.put("/v1/buckets/users/keys/ada", Buffer.from("{}")), undefined);
  assert.equal(connections, 2);
  sender.close();
  torn.close();
});

test("a node that dies on the way is left out, and the others take its share", async () => {
  const other = await FakeNode.start();
  other.buckets = [];
  const config = clusterFile(folder, [node.port, other.port]);
  let taken = 0;
  other.instead = () => {
    taken++;
    if (taken === 20) void other.stop();
    return taken >= 20;
  };
  const file = written("two.ndjson", lines(400));
  const { code, stdout } = await murmur([
    "import",
    file,
    "--bucket",
    "users",
    "--key",
    "id",
    "--config",
    config,
    "--json",
  ]);
  assert.deepEqual([code, JSON.parse(stdout).records], [0, 400]);
  assert.equal(node.keys.size + other.keys.size, 400);
  assert.equal(other.keys.size, 19);
});

test("of two records with one key the later one wins, however slow the first", async () => {
  const file = written("twice.ndjson", '{"id":"a","v":1}\n{"id":"b"}\n{"id":"a","v":2}\n{"id":"c"}\n');
  let held: ServerResponse | undefined;
  node.instead = ({ path, body }, response) => {
    if (path.endsWith("/b")) setImmediate(() => held?.writeHead(204).end());
    if (!String(body).includes('"v":1')) return false;
    held = response;
    return true;
  };
  assert.equal((await run(file, "id")).code, 0);
  // What lies between them may come in any order.
  const ofA = node.asked.map(({ body }) => JSON.parse(String(body))).filter(({ id }) => id === "a");
  assert.deepEqual(
    ofA.map(({ v }) => v),
    [1, 2],
  );
});

test("Ctrl-C keeps a checkpoint; --resume goes on behind what is settled", async () => {
  const file = written("long.ndjson", `${lines(4)}{"bad"}\n${lines(10, 5)}`);
  const words = ["import", file, "--bucket", "users", "--key", "id", "--concurrency", "2", "--node", node.url];
  const first = start(words);
  node.instead = ({ path }, response) => {
    if (!/k\d+$/.test(path) || Number(path.split("k").at(-1)) <= 4) return false;
    if (!first.process.killed) first.process.kill("SIGINT");
    return problem(response, 503, "overloaded");
  };
  const stopped = await first.ended;
  assert.equal(stopped.code, 1);
  assert.match(stopped.stdout, /^4 records, 1 failed/);
  assert.match(
    stopped.stderr,
    /go on with the same command and --resume \(checkpoint: .*long\.ndjson\.murmur-import\)/,
  );
  const checkpoint = JSON.parse(readFileSync(`${file}.murmur-import`, "utf8"));
  assert.deepEqual([checkpoint.place.line, checkpoint.records, checkpoint.failed], [6, 4, 1]);

  node.asked.length = 0;
  node.instead = () => false;
  const other = await murmur([
    ...words.slice(0, 2),
    "--bucket",
    "other",
    "--key",
    "id",
    "--resume",
    "--node",
    node.url,
  ]);
  assert.deepEqual([other.code, other.stderr.includes("it has another bucket")], [2, true]);
  const resumed = await murmur([...words, "--resume", "--json"]);
  assert.equal(resumed.code, 1);
  assert.deepEqual(JSON.parse(resumed.stdout).records, 14);
  assert.equal(node.asked.length, 10);
  assert.equal(existsSync(`${file}.murmur-import`), false);
});

test("where a repeated PUT would be a second value, each has a name, which a later run has too", async () => {
  const file = written("carts.ndjson", lines(8));
  const words = ["import", file, "--bucket", "carts", "--key", "id", "--concurrency", "2", "--node", node.url];
  const names = new Map<string, Set<unknown>>();
  const times = new Map<string, number>();
  const note = ({ path, headers }: Asked): number => {
    const key = path.split("/").at(-1) as string;
    names.set(key, (names.get(key) ?? new Set()).add(headers["idempotency-key"]));
    times.set(key, (times.get(key) ?? 0) + 1);
    return times.get(key) as number;
  };
  let checkpointed: string | undefined;
  const first = start(words);
  // The first record is never settled, and the second is applied without an answer.
  node.instead = (asked, response) => {
    checkpointed ??= readFileSync(`${file}.murmur-import`, "utf8");
    const isFirstTime = note(asked) === 1;
    if (asked.path.endsWith("/k2") && isFirstTime) return response.destroy() !== undefined;
    if (!asked.path.endsWith("/k1")) return false;
    if (times.has("k8") && !first.process.killed) first.process.kill("SIGINT");
    return problem(response, 504, "timeout", true);
  };
  const stopped = await first.ended;
  assert.equal(stopped.code, 1);
  assert.match(stopped.stderr, /go on with the same command and --resume/);
  node.instead = (asked) => note(asked) === 0;
  const resumed = await murmur([...words, "--resume", "--json"]);
  assert.deepEqual([resumed.code, JSON.parse(resumed.stdout).records], [0, 8]);
  assert.deepEqual(
    [...times.values()].filter((count) => count < 2),
    [],
  );
  const all = [...names.values()].map((each) => [...each]);
  assert.deepEqual(
    all.map(({ length }) => length),
    Array(8).fill(1),
  );
  const { name } = JSON.parse(checkpointed as string);
  assert.deepEqual(
    all.flat().sort(),
    Array.from({ length: 8 }, (_, index) => `${name}-${index + 1}`),
  );
  assert.equal(existsSync(`${file}.murmur-import`), false);
});

test("a checkpoint of a file that has changed since is refused", async () => {
  const file = written("changed.ndjson", lines(3));
  const state = written(
    "changed.state",
    JSON.stringify({ bucket: "users", keyField: "id", fileBytes: 36, fileChangedMs: 1 }),
  );
  utimesSync(file, 5, 5);
  const { code, stderr } = await run(file, "id", "--resume", "--state", state);
  assert.equal(code, 2);
  assert.match(
    stderr,
    /changed\.state is no checkpoint of this import \(the file has changed since\); start over without --resume/,
  );
});

test("an import that cannot succeed ends soon", async () => {
  node.instead = (_asked, response) => problem(response, 400, "bad-request");
  const futile = await run(written("futile.ndjson", lines(5000)), "id");
  assert.equal(futile.code, 1);
  assert.match(futile.stderr, /further failures are counted, not shown\n/);
  assert.match(futile.stderr, /the first 100 records all failed\n$/);
  assert.ok(node.asked.length < 1000);
  assert.equal(existsSync(join(folder, "futile.ndjson.murmur-import")), false);
  const { url } = node;
  await node.stop();
  const file = written("nowhere.ndjson", lines(3));
  const nowhere = await murmur(["import", file, "--bucket", "users", "--key", "id", "--node", url]);
  assert.deepEqual([nowhere.code, nowhere.stderr.includes(`no node answers: ${url}`)], [5, true]);
  node = await FakeNode.start();
});

function written(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

/** `{"id":"k1"}` and so on. */
function lines(count: number, from = 1): string {
  return Array.from({ length: count }, (_, index) => `{"id":"k${from + index}"}\n`).join("");
}

function run(file: string, key: string, ...more: string[]) {
  return murmur(["import", file, "--bucket", "users", "--key", key, "--node", node.url, ...more]);
}

function stored(): Record<string, string> {
  return Object.fromEntries([...node.keys].map(([id, { value }]) => [id, value.toString("utf8")]));
}
