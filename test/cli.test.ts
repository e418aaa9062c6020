/**
 * The command `murmur` as a person or a script meets it: exit codes, what goes
 * to stdout and what to stderr, and what is sent to a node.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { openCluster } from "../src/cli/cluster.js";
import { configCheck } from "../src/cli/config-check.js";
import { clusterFile, FakeNode, MAIN, murmur, problem, reply, start, temporaryFolder } from "./cli-harness.js";

const folder = temporaryFolder();
let node: FakeNode;
before(async () => {
  node = await FakeNode.start();
});
beforeEach(() => {
  node.instead = () => false;
  node.asked.length = 0;
});
after(() => node.stop());

describe("keys", () => {
  test("put sends the value, get prints the value and nothing else", async () => {
    const put = await murmur([
      "put",
      "users",
      "ada",
      '{"name":"Ada"}',
      "--consistency",
      "all",
      "--ttl",
      "60s",
      "--node",
      node.url,
    ]);
    assert.deepEqual([put.code, put.stdout], [0, ""]);
    assert.match(put.stderr, /users\/ada: stored 14 bytes of application\/json\ncontext: Y29udGV4dA\n/);
    const { method, path, query, headers, body } = node.last;
    assert.deepEqual([method, path, String(query)], ["PUT", "/v1/buckets/users/keys/ada", "w=all&ttl=60s"]);
    assert.deepEqual([headers["content-type"], String(body)], ["application/json", '{"name":"Ada"}']);
    const got = await murmur(["get", "users", "ada", "--consistency", "ONE", "--timeout", "500ms", "--node", node.url]);
    assert.deepEqual(got, { code: 0, stdout: '{"name":"Ada"}', stderr: "" });
    assert.equal(String(node.last.query), "r=ONE&timeout=500ms");
  });

  test("bytes come back as they were: from stdin, from a file, with a type of their own", async () => {
    const bytes = Buffer.from([0, 255, 10, 13, 128]);
    const fromStdin = await murmur(["put", "users", "bytes", "--node", node.url, "--json"], bytes);
    assert.deepEqual(JSON.parse(fromStdin.stdout), { ok: true, context: "Y29udGV4dA", node: node.url });
    assert.deepEqual(node.keys.get("users/bytes"), { value: bytes, contentType: "application/octet-stream" });
    assert.equal((await murmur(["put", "users", "empty", "--node", node.url], "")).code, 0);
    assert.equal(node.keys.get("users/empty")?.value.length, 0);
    const file = join(folder, "picture");
    writeFileSync(file, bytes);
    await murmur(["put", "users", "picture", "--file", file, "--content-type", "image/png", "--node", node.url]);
    assert.deepEqual(node.keys.get("users/picture"), { value: bytes, contentType: "image/png" });
  });

  test("a key that a URL would bend travels in base64url; a plain text is text", async () => {
    for (const key of ["..", "a/b", "ä €"]) {
      const { code } = await murmur(["put", "users", key, "hello", "--context", "abc", "--node", node.url]);
      assert.deepEqual(
        [code, node.last.path],
        [0, `/v1/buckets/users/keys64/${Buffer.from(key).toString("base64url")}`],
      );
      assert.equal(node.last.headers["murmur-context"], "abc");
      assert.equal(node.keys.get(`users/${key}`)?.contentType, "text/plain; charset=utf-8");
    }
  });

  test("a sort key reaches the node as it was given, spaces and signs of URLs too", async () => {
    const cluster = await openCluster({ node: node.url });
    const path = "/v1/buckets/rows/keys/k";
    for (const sort of ["a b", "a+b", " %20", "a:b$c,d", "ä€&=?#/", "a b\0"]) {
      await cluster.ask({ method: "GET", path, query: { sort, timeout: undefined } });
      assert.deepEqual([...node.last.query], [["sort", sort]]);
    }
  });

  test("patience ends where a timer can count no further: the node says what is too long", async () => {
    const cluster = await openCluster({ node: node.url }, Number.MAX_SAFE_INTEGER);
    assert.equal((await cluster.ask({ method: "GET", path: "/v1/buckets/users/keys/k" })).status, 404);
  });

  test("delete deletes; what is not there is exit code 3, with an empty stdout", async () => {
    node.keys.set("users/gone", { value: Buffer.from("x"), contentType: "text/plain" });
    const deleted = await murmur(["delete", "users", "gone", "--node", node.url]);
    assert.deepEqual([deleted.code, node.last.method, node.keys.has("users/gone")], [0, "DELETE", false]);
    assert.deepEqual(await murmur(["get", "users", "gone", "--node", node.url]), {
      code: 3,
      stdout: "",
      stderr: "users/gone: not found\n",
    });
    const json = await murmur(["get", "users", "gone", "--json", "--node", node.url]);
    assert.deepEqual([json.code, JSON.parse(json.stdout).found], [3, false]);
  });

  test("--trace draws who was asked, on stderr", async () => {
    node.keys.set("users/ada", { value: Buffer.from("Ada"), contentType: "text/plain" });
    const got = await murmur(["get", "users", "ada", "--trace", "--node", node.url]);
    assert.equal(got.stdout, "Ada");
    assert.match(
      got.stderr,
      /get users\/ada at QUORUM through http:\/\/127\.0\.0\.1:\d+: [\d.]+ ms from here, 1\.30 ms among the replicas\n/,
    );
    assert.match(got.stderr, / {2}n2 +0\.10 ms -> +1\.30 ms {2}\|[ █▏▎▍▌▋▊▉]{40}\| {2}first, behind, mended\n/);
    assert.match(got.stderr, / {2}n3 +0\.10 ms -> +silent {2}\|[ ·]{40}\| {2}late, pending\n/);
    const put = await murmur(["put", "users", "ada", "Ada", "--trace", "--node", node.url]);
    assert.match(put.stderr, / {2}n1 +0\.00 ms -> +0\.40 ms {2}\|[█▏▎▍▌▋▊▉]+ +\| {2}self, same\n/);
    assert.match(put.stderr, / {2}n2 +0\.50 ms -> +1\.75 ms {2}\| {11}[█▏▎▍▌▋▊▉ ]{29}\| {2}first, same\n/);
    assert.match(put.stderr, / {2}n3 +0\.50 ms -> +silent {2}\| {11}·{29}\| {2}late, pending\n/);
  });
});

test("--trace says what a hedge was good for", async () => {
  type Replica = { node: string; askedMs: number; ms: number | null; role: string; state: string };
  const tracedAs = async (late: Partial<Replica>, spare: Partial<Replica>): Promise<string> => {
    const replicas: Replica[] = [
      { node: "n1", askedMs: 0.05, ms: 0.2, role: "self", state: "same" },
      { node: "n2", askedMs: 0.1, ms: null, role: "late", state: "pending", ...late },
      { node: "n3", askedMs: 4.75, ms: 1.25, role: "hedge", state: "same", ...spare },
    ];
    node.instead = (_asked, response) => reply(response, 200, { found: true, value: "", level: "QUORUM", replicas });
    return (await murmur(["get", "users", "ada", "--trace", "--node", node.url])).stderr;
  };
  const won = await tracedAs({}, {});
  assert.match(won, / {2}n3 +4\.75 ms -> +6\.00 ms {2}\| {31}[█▏▎▍▌▋▊▉ ]{9}\| {2}hedge, same\n/);
  assert.match(won, /\n {2}n3 was asked as a spare after 4\.75 ms and answered before n2\n$/);
  const lost = await tracedAs({ ms: 5, role: "first", state: "same" }, {});
  assert.match(lost, /\n {2}n3 was asked as a spare after 4\.75 ms, in vain: the late one answered first\n$/);
  const silent = await tracedAs({ ms: 5, role: "first", state: "same" }, { ms: null });
  assert.match(silent, /\n {2}n3 was asked as a spare after 4\.75 ms and is silent\n$/);
});

describe("failures", () => {
  const cases: [status: number, code: string, exitCode: number][] = [
    [503, "unavailable", 4],
    [504, "timeout", 4],
    [503, "overloaded", 4],
    [507, "disk-full", 4],
    [400, "bad-request", 2],
  ];
  for (const [status, code, exitCode] of cases) {
    test(`${status} ${code} is exit code ${exitCode}`, async () => {
      node.instead = (_asked, response) => problem(response, status, code, status === 504);
      const { code: ended, stdout, stderr } = await murmur(["put", "users", "ada", "x", "--json", "--node", node.url]);
      assert.deepEqual([ended, JSON.parse(stdout).code], [exitCode, code]);
      assert.equal(stderr, `murmur: ${code}: 2 of 3 needed${status === 504 ? "; it may have been applied" : ""}\n`);
    });
  }

  test("a node of the file that is down is passed over; when none answers it is exit code 5", async () => {
    const gone = await FakeNode.start();
    const goneUrl = gone.url;
    const config = clusterFile(folder, [gone.port, node.port]);
    await gone.stop();
    node.keys.set("users/ada", { value: Buffer.from("Ada"), contentType: "text/plain" });
    assert.deepEqual(await murmur(["get", "users", "ada", "--config", config]), { code: 0, stdout: "Ada", stderr: "" });
    const { ended } = start(["put", "users", "ada", "Ada"], { MURMUR_CONFIG: config });
    assert.equal((await ended).code, 0);
    const { code, stdout, stderr } = await murmur(["get", "users", "ada", "--json", "--node", goneUrl]);
    assert.deepEqual([code, JSON.parse(stdout)], [5, { code: "unreachable", mayHaveApplied: false }]);
    assert.equal(stderr, `murmur: no node answers: ${goneUrl} (refused); is the cluster up?\n`);
  });

  test("a write that left and got no answer is unknown, and is not written twice", async () => {
    node.instead = (_asked, response) => response.destroy() !== undefined;
    const config = clusterFile(folder, [node.port, node.port + 1]);
    const { code, stderr } = await murmur(["put", "users", "ada", "x", "--config", config]);
    assert.deepEqual([code, node.asked.length], [5, 1]);
    assert.match(stderr, /took the request and did not answer \(hung up\): it may have been applied/);
  });

  test("misuse is exit code 2, and says what to do", async () => {
    const misuses: [words: string[], sentence: RegExp][] = [
      [["gte", "users", "ada"], /Did you mean get\?/],
      [["get", "users"], /missing required argument 'keys'/],
      [["get", "users", "ada"], /no cluster\.yaml in this folder; name one with --config FILE or MURMUR_CONFIG/],
      [["get", "users", "", "--node", node.url], /a key is a string that is not empty/],
      [["get", "..", "ada", "--node", node.url], /a bucket's name is .* not dots alone, not "\.\."/],
      [["get", "users", "ada", "--timeout", "5", "--node", node.url], /--timeout: expected a duration/],
      [["status", "--node", "ftp://x"], /--node: expected a URL such as/],
      [["put", "users", "ada", "x", "--file", "y", "--node", node.url], /give VALUE or --file, not both/],
    ];
    const check = async ([words, sentence]: [string[], RegExp]) => {
      const { code, stdout, stderr } = await murmur(words);
      assert.deepEqual([code, stdout], [2, ""], words.join(" "));
      assert.match(stderr, sentence);
    };
    await Promise.all(misuses.map(check));
    assert.equal(node.asked.length, 0);
  });
});

describe("the cluster", () => {
  const layout = { version: 1, digest: "a1b2c3" };
  const member = (id: string, state: string, clockOffsetMs?: number) => {
    return {
      node: id,
      state,
      host: "127.0.0.1",
      http: 8101,
      peer: 9101,
      rack: "r1",
      datacenter: "dc1",
      partitions: 614,
      clockOffsetMs,
    };
  };

  test("status is a table of the nodes", async () => {
    const nodes = [member("n1", "up"), member("n2", "up", -1.25), member("n3", "down")];
    const status = {
      cluster: "demo",
      self: "n1",
      version: "0.1.0",
      partitions: 1024,
      layout,
      durability: "group",
      uptimeMs: 200_000,
      rows: 1234,
      nodes,
      buckets: [],
    };
    node.instead = ({ path }, response) => path === "/v1/cluster" && reply(response, 200, status);
    const { code, stdout } = await murmur(["status", "--node", node.url]);
    assert.equal(code, 0);
    assert.match(stdout, /^demo: 2 of 3 nodes up, on disk before acknowledged \(group\)\n/);
    assert.match(stdout, /up for 3 m 20 s, 1,234 rows/);
    assert.match(stdout, /\nUP +n2 +r1 +dc1 +127\.0\.0\.1:8101 +127\.0\.0\.1:9101 +614 +\? +-1\.3 ms\nDOWN +n3 /);
    assert.deepEqual(
      JSON.parse((await murmur(["status", "--json", "--node", node.url])).stdout),
      JSON.parse(JSON.stringify(status)),
    );
    const doubted = [member("n1", "up"), { ...member("n2", "up"), membership: "suspect" }];
    const cut = { ...member("n3", "down"), membership: "alive" };
    node.instead = (_request, response) => reply(response, 200, { ...status, nodes: [...doubted, cut] });
    const said = (await murmur(["status", "--node", node.url])).stdout;
    assert.match(said, /\nn2 is suspected: some of its peers hear no answer of it\n/);
    assert.match(said, /\nn3 answers its other peers, but not n1: look at the network between the two\n/);
  });

  test("ring says how even the load is, and who owns a partition", async () => {
    const owners = [
      ["n1", "n2"],
      ["n2", "n10"],
      ["n10", "n1"],
      ["n1", "n2"],
    ];
    node.instead = ({ path }, response) => {
      return (
        path === "/v1/ring" && reply(response, 200, { partitions: 4, layout, placements: [{ replication: 2, owners }] })
      );
    };
    const { stdout } = await murmur(["ring", "--node", node.url]);
    assert.match(
      stdout,
      /replication 2: the fullest node has 1\.125 times the mean\n {2}n1 +3 +█{30} +first for 2\n {2}n2 +3 .*\n {2}n10 +2 /,
    );
    const one = await murmur(["ring", "--partition", "2", "--json", "--node", node.url]);
    assert.deepEqual(JSON.parse(one.stdout), { partition: 2, placements: [{ replication: 2, owners: ["n10", "n1"] }] });
    const beyond = await murmur(["ring", "--partition", "4", "--node", node.url]);
    assert.deepEqual(
      [beyond.code, beyond.stderr],
      [2, 'murmur: --partition: expected a number from 0 to 3, found "4"\n'],
    );
  });

  test("owners says where a key lives", async () => {
    const status = {
      token: "-37",
      partition: 9,
      owners: [{ node: "n2", datacenter: "dc1", rack: "r2", state: "rebuilding" }],
    };
    node.instead = (_asked, response) => reply(response, 200, status);
    const { stdout } = await murmur(["owners", "users", "a/b", "--node", node.url]);
    assert.equal(node.last.path, `/v1/owners64/users/${Buffer.from("a/b").toString("base64url")}`);
    assert.match(stdout, /^users\/a\/b: token -37, partition 9\n.*\n1 +n2 +r2 +dc1 +rebuilding\n$/);
  });
});

describe("help and config", () => {
  test("--help begins with examples and is about nothing that is not built", async () => {
    const { code, stdout, stderr } = await murmur(["--help"]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^Examples:\n {2}murmur up\n/);
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name);
    assert.deepEqual(commands, [
      "murmur",
      "murmur",
      "murmur",
      "up",
      "node",
      "get",
      "keys",
      "range",
      "put",
      "delete",
      "resolve",
      "add",
      "set",
      "map",
      "status",
      "watch",
      "latency",
      "top",
      "conflicts",
      "hints",
      "repair",
      "ring",
      "owners",
      "import",
      "bench",
      "simulate",
      "config",
      "help",
    ]);
    assert.match((await murmur(["put", "--help"])).stdout, /^Examples:\n {2}murmur put users ada/);
  });

  test("a full disk behind stdout is told", { skip: !existsSync("/dev/full") }, () => {
    const full = openSync("/dev/full", "w");
    const { status, stderr } = spawnSync(process.execPath, [MAIN, "--help"], { stdio: ["ignore", full, "pipe"] });
    closeSync(full);
    assert.equal(status, 1);
    assert.match(stderr.toString(), /^murmur: stdout: ENOSPC/);
  });

  test("nobody listening to the talk does not end a command", { skip: !existsSync("/dev/full") }, () => {
    const full = openSync("/dev/full", "w");
    const words = [MAIN, "status", "--json", "--node", "127.0.0.1:1"];
    const { status, stdout } = spawnSync(process.execPath, words, { stdio: ["ignore", "pipe", full] });
    closeSync(full);
    assert.deepEqual([status, JSON.parse(String(stdout))], [5, { code: "unreachable", mayHaveApplied: false }]);
  });

  test("config check prints what the file says, or every mistake", async () => {
    const good = await murmur(["config", "check", clusterFile(folder, [8101, 8102])]);
    assert.deepEqual([good.code, good.stderr], [0, ""]);
    assert.match(good.stdout, /cluster\.yaml: OK\ncluster demo: 2 nodes \(n1, n2\), 1,024 partitions\n/);
    const bad = join(folder, "bad.yaml");
    writeFileSync(bad, "cluster: demo\nnods: []\n");
    const refused = await murmur(["config", "check", bad]);
    assert.equal(refused.code, 2);
    assert.match(
      refused.stdout,
      /bad\.yaml:1:1: nodes: missing.*\n.*bad\.yaml:2:1: nods: expected a known key, found "nods"; did you mean nodes\?\n$/,
    );
    const json = await murmur(["get", "users", "ada", "--json", "--config", bad]);
    assert.deepEqual([json.code, JSON.parse(json.stdout).mistakes.length], [2, 2]);
    const merging = join(folder, "merging.yaml");
    writeFileSync(join(folder, "wrong.js"), "export default () => {\n  const = 3;\n};\n");
    const node = "nodes: [{ id: n1, host: 127.0.0.1, http: 8101, peer: 9101 }]";
    const named = "{ type: siblings, merge: ./wrong.js }";
    writeFileSync(merging, `cluster: demo\n${node}\nbuckets: { carts: ${named} }\ndefaults: ${named}\n`);
    const wrong = await murmur(["config", "check", merging]);
    assert.deepEqual([wrong.code, wrong.stderr], [2, ""]);
    const found = `${join(folder, "wrong.js")}:2: SyntaxError: Unexpected token '='\n`;
    assert.equal(
      wrong.stdout,
      `${merging}:3:44: buckets.carts.merge: ${found}${merging}:4:36: defaults.merge: ${found}`,
    );
    await assert.rejects(configCheck("a.yaml", { config: "b.yaml" }), { exitCode: 2, message: /not both/ });
    const unknown = await murmur(["node", "m1", "--config", clusterFile(folder, [8101])]);
    assert.match(unknown.stderr, /has no node "m1"; did you mean n1\?/);
    assert.equal(unknown.code, 2);
  });
});
