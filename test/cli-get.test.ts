/** `murmur get` of many keys: what is asked, what is printed, and the exit code of the worst. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { clusterFile, FakeNode, murmur, problem, reply, temporaryFolder } from "./cli-harness.js";

interface BatchBody {
  readonly reads: readonly { readonly bucket: string; readonly key: string }[];
}

let node: FakeNode;
/** Results by key; every other key is not found. */
let results: Map<string, object>;
let batches: BatchBody[];

before(async () => {
  node = await FakeNode.start();
});
after(() => node.stop());
beforeEach(() => {
  results = new Map();
  batches = [];
  node.asked.length = 0;
  node.keys.clear();
  node.instead = (asked, response) => {
    if (asked.path !== "/v1/batch") return false;
    const body = JSON.parse(String(asked.body)) as BatchBody;
    batches.push(body);
    const found = body.reads.map(({ key }) => results.get(key) ?? { status: 404, context: "Y29u", code: "not-found" });
    return reply(response, 200, { results: found });
  };
});

function text(value: string, contentType = "text/plain; charset=utf-8"): object {
  return { status: 200, value: Buffer.from(value).toString("base64"), contentType, context: "Y29u" };
}

const get = (words: readonly string[], input?: string) => murmur(["get", "users", ...words, "--node", node.url], input);

test("many keys are one request and a line each, in the order given", async () => {
  results.set("ada", text('{"name":"Ada"}', "application/json")).set("ä/€", text("hello")).set("empty", text(""));
  results.set("plain", text("größe", "application/octet-stream"));
  const words = ["ada", "ä/€", "empty", "plain", "--consistency", "ONE", "--timeout", "50ms", "--hedge", "p95"];
  const got = await get(words);
  const stdout = 'ada\t{"name":"Ada"}\nä/€\thello\nempty\t\nplain\tgröße\n';
  assert.deepEqual(got, { code: 0, stdout, stderr: "" });
  assert.deepEqual(
    [node.asked.length, node.last.method, node.last.headers["content-type"]],
    [1, "POST", "application/json"],
  );
  const reads = ["ada", "ä/€", "empty", "plain"].map((key) => ({ bucket: "users", key }));
  assert.deepEqual(batches, [{ timeoutMs: 50, partial: true, r: "ONE", hedge: "p95", reads }]);
});

test("one key is asked for as ever, with the hedge that is wished", async () => {
  node.keys.set("users/ada", { value: Buffer.from("Ada"), contentType: "text/plain" });
  assert.deepEqual(await get(["ada", "--hedge", "max(p95,5ms)"]), { code: 0, stdout: "Ada", stderr: "" });
  assert.deepEqual([node.last.path, node.last.query.get("hedge")], ["/v1/buckets/users/keys/ada", "max(p95,5ms)"]);
});

test("what is not one line of text is put into one line, and said", async () => {
  results.set("lines", text("a\n\tb")).set("bytes", text("\u0001", "image/png")).set("odd\tkey", text("x"));
  const got = await get(["lines", "bytes", "odd\tkey"]);
  assert.equal(got.stdout, 'lines\t"a\\n\\tb"\nbytes\tAQ==\n"odd\\tkey"\tx\n');
  assert.match(
    got.stderr,
    /^users\/lines: more than one line, shown as a JSON string\nusers\/bytes: image\/png, shown in base64\n$/,
  );
});

test("the exit code is of the worst that came of any key", async () => {
  const outcomes: [string, object, number, RegExp][] = [
    ["absent", { status: 404, code: "not-found" }, 3, /users\/absent: not found\n/],
    ["torn", { status: 300, siblings: [{}, {}] }, 6, /users\/torn: siblings need a decision/],
    ["late", { status: 504, code: "timeout", detail: "1 of 2" }, 4, /users\/late: timeout: 1 of 2\n/],
    ["few", { status: 503, code: "unavailable" }, 4, /users\/few: unavailable\n/],
    ["broken", { status: 500, code: "internal" }, 1, /users\/broken: internal\n/],
    ["none", { status: 502 }, 1, /users\/none: status 502\n/],
  ];
  results.set("there", text("x"));
  const given: string[] = [];
  for (const [key, outcome, exitCode, said] of outcomes) {
    results.set(key, outcome);
    const alone = await get(["there", key]);
    assert.deepEqual([alone.code, alone.stdout], [exitCode, "there\tx\n"], key);
    assert.match(alone.stderr, said);
    given.push(key);
  }
  assert.equal((await get(["there", "absent", "torn", "late"])).code, 4);
  assert.equal((await get(["there", ...given])).code, 1);
});

test("--json prints an object a line, for each key", async () => {
  const siblings = [{ value: "eA==" }, { value: "eQ==" }];
  results.set("a", text("x")).set("torn", { status: 300, siblings }).set("late", { status: 504, code: "timeout" });
  const got = await get(["a", "b", "torn", "late", "--json"]);
  const lines = got.stdout.trim().split("\n");
  const contentType = "text/plain; charset=utf-8";
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as object),
    [
      { bucket: "users", key: "a", status: 200, found: true, value: "eA==", contentType, context: "Y29u" },
      { bucket: "users", key: "b", status: 404, found: false, context: "Y29u", code: "not-found" },
      { bucket: "users", key: "torn", status: 300, found: true, siblings },
      { bucket: "users", key: "late", status: 504, found: false, code: "timeout" },
    ],
  );
  assert.equal(got.code, 4);
});

test("keys come from stdin line by line, a thousand to a request", async () => {
  const keys = Array.from({ length: 2500 }, (_, index) => `key ${index}`);
  for (const key of keys) results.set(key, text(key.toUpperCase()));
  results.set("first", text("1")).set("line\nbreak", text("2")).set('"quoted"', text("3")).set('"half', text("4"));
  const strange = ['"line\\nbreak"', '"\\"quoted\\""', '"half'];
  const got = await get(["first", "-"], `${[...keys, ...strange].join("\r\n")}\n\n`);
  const lines = ["first\t1", ...keys.map((key) => `${key}\t${key.toUpperCase()}`)];
  const last = ['"line\\nbreak"\t2', '"\\"quoted\\""\t3', '"\\"half"\t4', ""];
  assert.equal(got.stdout, [...lines, ...last].join("\n"));
  assert.deepEqual([got.code, got.stderr], [0, ""]);
  assert.deepEqual(
    batches.map(({ reads }) => reads.length),
    [1000, 1000, 504],
  );
  batches.length = 0;
  const long = Array.from({ length: 1000 }, (_, index) => String(index).padStart(1024, "x"));
  assert.equal((await get(["-"], long.join("\n"))).code, 3);
  assert.deepEqual(
    batches.map(({ reads }) => reads.length),
    [512, 488],
  );
  assert.deepEqual(await get(["-"], ""), { code: 0, stdout: "", stderr: "" });
});

test("a value for which the batch had no room is read by itself, as is one of a node that serves nobody", async () => {
  results.set("large", { status: 413, code: "too-large" }).set("gone", { status: 413, code: "too-large" });
  node.keys.set("users/large", { value: Buffer.from("a large one"), contentType: "text/plain" });
  results.set("skewed", { status: 503, code: "clock-skew" });
  node.keys.set("users/skewed", { value: Buffer.from("x"), contentType: "text/plain" });
  const got = await get(["large", "skewed", "gone", "--hedge", "never"]);
  assert.deepEqual(got, { code: 3, stdout: "large\ta large one\nskewed\tx\n", stderr: "users/gone: not found\n" });
  assert.equal(node.last.query.get("hedge"), "never");
});

test("a refused batch, a silly answer and bad words end the command", async () => {
  const bad = ["x".repeat(1025), "ok"];
  assert.match((await get(["ok", ...bad])).stderr, /the key has 1025 bytes; the limit is 1024/);
  assert.match((await get(["-"], `ok\n${bad.join("\n")}`)).stderr, /line 2 of stdin: the key has 1025 bytes/);
  assert.equal((await get(["a", "b", "--trace"])).code, 2);
  assert.equal((await get(["a", "b", "--timeout", "soon"])).code, 2);
  assert.equal(batches.length, 0);
  node.instead = (_asked, response) => reply(response, 200, { results: [] });
  const silly = await get(["a", "b"]);
  assert.deepEqual([silly.code, silly.stdout], [1, ""]);
  assert.match(silly.stderr, /answered 0 results for 2 keys/);
  node.instead = (_asked, response) => problem(response, 503, "overloaded");
  assert.equal((await get(["a", "b"])).code, 4);
  node.instead = (_asked, response) => problem(response, 400, "bad-request");
  assert.equal((await get(["a", "b"])).code, 2);
});

test("a batch of reads that got no answer is asked of the next node", async () => {
  const silent = await FakeNode.start();
  silent.instead = (_asked, response) => {
    response.destroy();
    return true;
  };
  results.set("a", text("x")).set("b", text("y"));
  const file = clusterFile(temporaryFolder(), [silent.port, node.port]);
  const got = await murmur(["get", "users", "a", "b", "--config", file]);
  await silent.stop();
  assert.deepEqual(got, { code: 0, stdout: "a\tx\nb\ty\n", stderr: "" });
  assert.equal(silent.asked.length, 1);
});
