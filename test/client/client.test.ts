/** The client against nodes that misbehave as told: values, errors, retries, hedges, deadlines, aborts, the end. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { afterEach, beforeEach, test } from "node:test";
import { MurmurClient, type MurmurClientOptions, MurmurError, SiblingsError } from "../../src/client/client.js";
import { REAL_WORLD } from "../../src/client/world.js";
import { contextUpTo } from "../../src/lattice/context.js";
import { encodeContextToken } from "../../src/lattice/context-token.js";
import { until } from "../ports/until.js";
import { type Asked, CONTEXT, FakeCluster, problem, reply } from "./fake-cluster.js";

let cluster: FakeCluster;
let db: MurmurClient;

beforeEach(async () => {
  cluster = await FakeCluster.start(3);
  db = new MurmurClient({ nodes: cluster.urls });
});
afterEach(async () => {
  await db.close();
  await cluster.stop();
});

/** A client that has learned the ring: its requests go to the first owner alone. */
async function learned(
  options: Partial<MurmurClientOptions> = {},
  given = cluster.urls,
  world = REAL_WORLD,
): Promise<void> {
  await db.close();
  db = new MurmurClient({ nodes: given, ...options }, world);
  const first = cluster.preference[0] as string;
  do {
    for (const node of cluster.nodes) node.asked.length = 0;
    for (let count = 0; count < 4; count++) await db.bucket("b").get(`${count}`);
  } while (cluster.node(first).asked.length !== cluster.asked.length);
  cluster.node(first).asked.length = 0;
}

async function asksUntil(isSo: () => boolean): Promise<void> {
  while (!isSo()) await db.bucket("b").get("k");
}

const who = (asked: readonly Asked[]) => asked.map(({ node, method }) => `${node} ${method}`);

test("put, get and delete carry value, type, context and replicas", async () => {
  const users = db.bucket("users");
  assert.deepEqual(await users.put("ada", { name: "Ada" }), { context: CONTEXT });
  assert.deepEqual(await users.get("ada"), {
    found: true,
    value: { name: "Ada" },
    siblings: [],
    contentType: "application/json",
    context: CONTEXT,
    replicas: [
      { node: "n1", askedMs: 0, ms: 0.25, role: "self", state: "same" },
      { node: "n3", askedMs: 1.5, ms: undefined, role: "first", state: "pending" },
    ],
  });
  assert.deepEqual(await users.delete("ada"), { context: CONTEXT });
  const { found, value, contentType, context } = await users.get("ada");
  assert.deepEqual([found, value, contentType, context], [false, undefined, undefined, CONTEXT]);
});

test("options become the request, and the node gets less time than the caller", async () => {
  const users = db.bucket("users");
  await users.put("k", "text", { consistency: "ALL", ttl: "60s", timeoutMs: 1000, contentType: "text/x" });
  await users.get("a b/..", { consistency: 2, hedge: "max(p95,5ms)", mend: "never", merge: "never", timeoutMs: 100 });
  const [put, get] = cluster.asked.toSorted((a, b) => b.method.localeCompare(a.method)) as [Asked, Asked];
  assert.deepEqual([put.path, put.query.get("w"), put.query.get("ttl")], ["/v1/buckets/users/keys/k", "ALL", "60s"]);
  assert.deepEqual([put.headers["content-type"], String(put.body)], ["text/x", "text"]);
  assert.match(put.query.get("timeout") ?? "", /^9\d\dms$/);
  assert.equal(get.path, `/v1/buckets/users/keys64/${Buffer.from("a b/..").toString("base64url")}`);
  assert.deepEqual([get.query.get("r"), get.query.get("hedge"), get.query.get("mend")], ["2", "max(p95,5ms)", "never"]);
  assert.equal(get.query.get("merge"), "never");
  assert.match(get.query.get("timeout") ?? "", /^[5-9]\dms$/);
});

test("what makes no sense is refused before anything is sent", async () => {
  const users = db.bucket("users");
  const refused: [call: () => Promise<unknown>, says: RegExp][] = [
    [() => users.get(""), /not empty/],
    [() => users.get("k".repeat(1025)), /1025 bytes; the limit is 1024/],
    [() => users.get("\ud800"), /surrogate/],
    [() => users.get("k", { timeoutMs: 0 }), /timeoutMs/],
    [() => users.get("k", { timeoutMs: 2 ** 31 }), /timeoutMs is at most 2147483647, .* not 2147483648/],
    [() => users.keys({ timeoutMs: 2 ** 31 }), /timeoutMs is at most/],
    [() => users.addMany([["k", 1]], { timeoutMs: 2 ** 31 }), /timeoutMs is at most/],
    [() => db.batch({ timeoutMs: 2 ** 31 }), /timeoutMs is at most/],
    [() => users.put("k", 1, { stamp: 1.5 }), /stamp is a whole number of microseconds since 1970/],
    [() => users.delete("k", { stamp: 0 }), /stamp is a whole number/],
    [() => users.put("k", undefined), /no value/],
    [() => users.put("k", 1, { context: "not\r\none" }), /context/],
  ];
  for (const [call, says] of refused) await assert.rejects(call(), { name: "BadRequestError", message: says });
  assert.throws(() => db.bucket("a/b"), /bucket's name/);
  assert.throws(() => db.bucket(".."), /not dots alone, not "\.\."/);
  assert.throws(() => new MurmurClient({ nodes: [] }), /one node or more/);
  assert.throws(() => new MurmurClient({ nodes: ["https://h:1"] }), /such as http/);
  assert.throws(
    () => new MurmurClient({ nodes: ["http://h:1"], limits: { socketMax: 1 } as object }),
    /did you mean socketsMax/,
  );
  const nodes = ["http://h:1"];
  assert.throws(() => new MurmurClient({ nodes, timeoutMs: 2 ** 31 }), /timeoutMs is at most 2147483647/);
  assert.throws(() => new MurmurClient({ nodes, timeoutMs: -1 }), /timeoutMs is a positive number/);
  const limits = { refreshTimeoutMs: 2 ** 31 };
  assert.throws(() => new MurmurClient({ nodes, limits }), /limits.refreshTimeoutMs is at most 2147483647/);
  for (const [name, least] of [
    ["sumRequestsMax", 1],
    ["socketsMax", 1],
    ["attemptsMax", 1],
    ["latencyHalfLifeMs", 1],
    ["retryTokensMax", 0],
  ] as const) {
    const refused = new RegExp(`limits.${name} is a number from ${least}, not ${least - 1}`);
    assert.throws(() => new MurmurClient({ nodes, limits: { [name]: least - 1 } }), refused);
    await new MurmurClient({ nodes, limits: { [name]: least } }).close();
  }
  const longest = new MurmurClient({ nodes, timeoutMs: 2 ** 31 - 1, limits: { probeMsMax: 2 ** 31 - 1 } });
  await longest.close();
  assert.equal(cluster.asked.length, 0);
});

test("without a ring the given nodes are asked in turn", async () => {
  cluster.isKnown = false;
  for (let count = 0; count < 9; count++) await db.bucket("b").get(`k${count}`);
  assert.deepEqual(
    cluster.nodes.map(({ asked }) => asked.length),
    [3, 3, 3],
  );
});

test("with the ring learned from one node, the first owner is asked, and another when it is gone", async () => {
  cluster.preference = ["n3", "n2", "n1"];
  await learned({}, cluster.urls.slice(0, 1));
  for (let count = 0; count < 5; count++) await db.bucket("b").put(`k${count}`, count);
  assert.deepEqual(who(cluster.asked), Array(5).fill("n3 PUT"));
  await cluster.node("n3").stop();
  // A read may find a connection that has just been closed: it is repeated, a write is not.
  await db.bucket("b").get("k");
  cluster.node("n2").asked.length = 0;
  for (let count = 0; count < 5; count++) await db.bucket("b").put(`k${count}`, count);
  assert.deepEqual(who(cluster.node("n2").asked), Array(5).fill("n2 PUT"));
});

test("a node that is back is asked again, though no caller's request was risked to find out", async () => {
  await learned({ limits: { probeMs: 1, probeMsMax: 2 } });
  const [n1] = cluster.nodes as [FakeCluster["nodes"][number]];
  const { port } = n1;
  await n1.stop();
  await db.bucket("b").get("k");
  assert.equal(n1.asked.length, 0);
  await n1.listen(port);
  await asksUntil(() => n1.asked.length > 0);
});

test("a write is repeated when a node says that nothing was done, and not when nobody can know", async () => {
  await learned();
  const table: [status: number, code: string, mayHaveApplied: boolean, asked: string[], error: string | undefined][] = [
    [503, "unavailable", false, ["n1 PUT", "n2 PUT"], undefined],
    [503, "draining", false, ["n1 PUT", "n2 PUT"], undefined],
    [504, "timeout", true, ["n1 PUT"], "TimeoutError"],
    [503, "failed", true, ["n1 PUT"], "FailedError"],
    [409, "type-mismatch", false, ["n1 PUT"], "BadRequestError"],
    [500, "internal", false, ["n1 PUT"], "MurmurError"],
  ];
  for (const [status, code, mayHaveApplied, asked, error] of table) {
    await learned();
    cluster.node("n1").instead = (_asked, response) => problem(response, status, code, { mayHaveApplied });
    const put = db.bucket("b").put("k", 1);
    if (error === undefined) await put;
    else await assert.rejects(put, { name: error, code, mayHaveApplied: mayHaveApplied || status === 500 });
    assert.deepEqual(who(cluster.asked), asked, code);
    cluster.node("n1").instead = () => false;
  }
});

test("a connection that breaks under a write leaves it unknown; a read goes to another node", async () => {
  await learned();
  cluster.node("n1").instead = (_asked, response) => response.destroy() !== undefined;
  const put = db.bucket("b").put("k", 1);
  await assert.rejects(put, { name: "ConnectionError", mayHaveApplied: true, node: cluster.urls[0] });
  assert.deepEqual(who(cluster.asked), ["n1 PUT"]);
  assert.equal((await db.bucket("b").get("k")).found, false);
  assert.deepEqual(who(cluster.node("n2").asked), ["n2 GET"]);
});

test("nobody there: not applied for certain, within the deadline", async () => {
  await learned();
  await Promise.all(cluster.nodes.map((node) => node.stop()));
  await assert.rejects(db.bucket("b").get("k"), { name: "ConnectionError" });
  const put = db.bucket("b").put("k", 1, { timeoutMs: 50 });
  await assert.rejects(put, { name: "ConnectionError", mayHaveApplied: false, message: /ECONNREFUSED/ });
  await Promise.all(cluster.nodes.map((node) => node.listen()));
});

test("retries end with their budget, and Retry-After sends them elsewhere", async () => {
  await learned({ limits: { retryTokensMax: 2, retryPercent: 0, backoffMs: 1 } });
  cluster.node("n1").instead = (_asked, response) =>
    reply(response, 503, { code: "overloaded" }, { "Retry-After": "60" });
  await db.bucket("b").get("k");
  await db.bucket("b").get("k");
  assert.deepEqual(who(cluster.asked), ["n1 GET", "n2 GET", "n2 GET"]);
  for (const node of cluster.nodes) node.instead = (_asked, response) => problem(response, 503, "unavailable");
  await assert.rejects(db.bucket("b").get("k"), { name: "UnavailableError" });
  const asked = cluster.asked.length;
  await assert.rejects(db.bucket("b").get("k"), { name: "UnavailableError" });
  assert.equal(cluster.asked.length, asked + 1);
});

test("a silent node is hedged once, then avoided, for writes too, until it answers", async () => {
  await learned({ limits: { hedgeUnmeasuredMs: 5 } });
  const held: (() => void)[] = [];
  cluster.node("n1").instead = (_asked, response) => held.push(() => problem(response, 503, "unavailable")) > 0;
  assert.equal((await db.bucket("b").get("k")).found, false);
  assert.deepEqual(who(cluster.asked), ["n1 GET", "n2 GET"]);
  await db.bucket("b").put("k", 1);
  await db.bucket("b").get("k", { hedge: "p95" });
  assert.deepEqual(who(cluster.node("n2").asked), ["n2 GET", "n2 PUT", "n2 GET"]);
  cluster.node("n1").instead = () => false;
  for (const answer of held) answer();
  await asksUntil(() => cluster.node("n1").asked.length > 1);
});

test("whom a read did not wait for is avoided from then on, however little time its clock saw pass", async () => {
  // Timers may run early, and what is late beside others may be usual for this node.
  await learned({}, cluster.urls, { ...REAL_WORLD, nowMs: () => 1 });
  cluster.node("n1").instead = () => true;
  await db.bucket("b").get("k");
  await db.bucket("b").put("k", 1);
  assert.deepEqual(who(cluster.asked), ["n1 GET", "n2 GET", "n2 PUT"]);
});

test("no second node is asked for a write, or when hedging is off", async () => {
  for (const [options, call] of [
    [{}, () => db.bucket("b").put("silent", 1, { timeoutMs: 60 })],
    [{}, () => db.bucket("b").get("silent", { hedge: "never", timeoutMs: 60 })],
    [{ hedge: "never" }, () => db.bucket("b").get("silent", { timeoutMs: 60 })],
    [{ limits: { hedgeTokensMax: 0 } }, () => db.bucket("b").get("silent", { timeoutMs: 60 })],
  ] as [Partial<MurmurClientOptions>, () => Promise<unknown>][]) {
    await learned({ ...options, limits: { hedgeUnmeasuredMs: 1, hedgeMsMin: 1, ...options.limits } });
    cluster.node("n1").instead = () => true;
    await assert.rejects(call(), { name: "TimeoutError", code: "timeout" });
    assert.equal(cluster.asked.filter(({ path }) => path.endsWith("/silent")).length, 1);
    cluster.node("n1").instead = () => false;
  }
});

test("a write without an answer is a timeout that may have been applied", async () => {
  await learned();
  cluster.node("n1").instead = () => true;
  await assert.rejects(db.bucket("b").put("k", 1, { timeoutMs: 30 }), { name: "TimeoutError", mayHaveApplied: true });
});

test("an aborted call rejects with the signal's reason, and its connection is closed", async () => {
  await learned();
  cluster.node("n1").instead = () => true;
  const stop = new AbortController();
  const call = db.bucket("b").get("k", { signal: stop.signal });
  await until(() => cluster.node("n1").asked.length === 1);
  const [held] = [...cluster.node("n1").sockets].slice(-1);
  const closed = held === undefined ? undefined : once(held, "close");
  stop.abort(new Error("no longer wanted"));
  await assert.rejects(call, /no longer wanted/);
  await closed;
  await assert.rejects(db.bucket("b").get("k", { signal: stop.signal }), /no longer wanted/);
  assert.equal(cluster.node("n1").asked.length, 1);
});

test("siblings come as a list, or as an error to whoever wants a single value", async () => {
  const told = {
    siblings: [
      { contentType: "application/json", value: Buffer.from("[1]").toString("base64") },
      { contentType: "text/plain", value: Buffer.from("two").toString("base64") },
    ],
    context: CONTEXT,
  };
  for (const node of cluster.nodes) {
    node.instead = (_asked, response) => reply(response, 300, told, { "Murmur-Context": CONTEXT });
  }
  const carts = db.bucket("carts");
  const siblings = [
    { contentType: "application/json", value: [1] },
    { contentType: "text/plain", value: "two" },
  ];
  const found = await carts.get("k");
  assert.deepEqual([found.found, found.value, found.siblings, found.context], [true, undefined, siblings, CONTEXT]);
  assert.equal(cluster.asked[0]?.headers.accept, "application/json");
  await assert.rejects(carts.get("k", { single: true }), (error: SiblingsError) => {
    assert.ok(error instanceof SiblingsError && error instanceof MurmurError);
    assert.deepEqual([error.code, error.siblings, error.context], ["siblings", siblings, CONTEXT]);
    return true;
  });
});

test("a register's write sends the highest context seen; a bucket of siblings only what the caller gives", async () => {
  const owner = { bucket: "users", key: Buffer.from("k") };
  const contextAt = (timeUs: number) =>
    Buffer.from(encodeContextToken(owner, contextUpTo({ timeUs, actor: 7n }))).toString("base64url");
  cluster.buckets = [{ bucket: "carts", type: "siblings", replication: 3 }];
  await learned();
  cluster.node("n1").instead = ({ method }, response) => {
    if (method === "GET") return reply(response, 200, {}, { "Murmur-Context": contextAt(20) });
    response.writeHead(204, { "Murmur-Context": contextAt(10) }).end();
    return true;
  };
  const sent: (string | undefined)[] = [];
  for (const bucket of ["users", "carts"]) {
    await db.bucket(bucket).put("k", 1);
    await db.bucket(bucket).get("k");
    await db.bucket(bucket).delete("k");
    await db.bucket(bucket).put("k", 1, { context: contextAt(15) });
    const writes = cluster.asked.filter(({ method }) => method !== "GET");
    sent.push(...writes.map(({ headers }) => headers["murmur-context"] as string | undefined));
    cluster.node("n1").asked.length = 0;
  }
  assert.deepEqual(sent, [undefined, contextAt(20), contextAt(20), undefined, undefined, contextAt(15)]);
});

test("a stamped write goes without a remembered context, and once more when its outcome is unknown", async () => {
  await learned();
  const users = db.bucket("users");
  const stamp = 1_700_000_000_000_001;
  let failures = 1;
  for (const node of cluster.nodes) {
    node.instead = ({ method }, response) => {
      if (method === "GET" || failures-- <= 0) return false;
      return problem(response, 504, "timeout", { mayHaveApplied: true });
    };
  }
  await users.get("k");
  await users.put("k", "as it was then", { stamp });
  failures = 1;
  await users.delete("k", { stamp: stamp + 1 });
  const writes = cluster.asked.filter(({ method }) => method !== "GET");
  const told = writes.map(({ method, query, headers }) => [method, query.get("stamp"), headers["murmur-context"]]);
  const [put, gone] = [`${stamp}`, `${stamp + 1}`];
  assert.deepEqual(told.toSorted(), [
    ["DELETE", gone, undefined],
    ["DELETE", gone, undefined],
    ["PUT", put, undefined],
    ["PUT", put, undefined],
  ]);
  failures = 1;
  await assert.rejects(users.put("k", "unstamped"), { name: "TimeoutError", mayHaveApplied: true });
});

test("the ring is learned anew when something goes wrong", async () => {
  await learned({ limits: { refreshMsMin: 0, backoffMs: 1 } });
  cluster.preference = ["n2", "n3", "n1"];
  cluster.digest = "2";
  cluster.node("n1").instead = (_asked, response) => problem(response, 503, "unavailable");
  await db.bucket("b").get("k");
  await asksUntil(() => cluster.node("n2").asked.length > 20 && cluster.lookedAt >= 4);
});

test("a node that says 503 on an idle connection is left at once, and that answer is nobody's", async () => {
  await learned();
  const closed = [...cluster.node("n1").sockets].map((socket) => {
    socket.end("HTTP/1.1 503 draining\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    return once(socket, "close");
  });
  await Promise.all(closed);
  await db.bucket("b").put("k", 1);
  assert.deepEqual(who(cluster.asked), ["n2 PUT"]);
});

test("what answers without a context is not a node", async () => {
  for (const node of cluster.nodes) node.instead = (_asked, response) => reply(response, 200, { hello: "there" });
  await assert.rejects(db.bucket("b").get("k"), { name: "MurmurError", code: "status-200" });
});

test("more than requestsPendingMax at once is refused by the client itself", async () => {
  await learned({ limits: { requestsPendingMax: 1 } });
  const first = db.bucket("b").get("k");
  await assert.rejects(db.bucket("b").get("k"), { name: "OverloadedError", code: "overloaded", mayHaveApplied: false });
  await first;
  await db.bucket("b").get("k");
});

test("closing ends what is under way and refuses the rest", async () => {
  await learned();
  cluster.node("n1").instead = () => true;
  const put = db.bucket("b").put("k", 1);
  await until(() => cluster.node("n1").asked.length === 1);
  const rejected = assert.rejects(put, { name: "ClosedError", mayHaveApplied: true });
  await db.close();
  await rejected;
  await assert.rejects(db.bucket("b").get("k"), { name: "ClosedError", code: "closed" });
  await db.close();
});
