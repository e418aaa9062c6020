/**
 * cluster.yaml: what a good file becomes, and what each mistake is answered
 * with, letter for letter and position for position.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseDurationMs } from "../src/base/duration.js";
import { nearestName } from "../src/base/names.js";
import { type ClusterConfig, DEFAULT_HEDGE } from "../src/cluster-config.js";
import { DEFAULT_LIMITS } from "../src/config.js";
import { parseHedgePolicy } from "../src/coordinator/hedge-policy.js";
import { BUILT_TYPES, CELL_TYPES } from "../src/lattice/registry.js";
import { loadClusterFile, parseClusterFile } from "../src/real/cluster-file.js";
import { mistakeLine } from "../src/real/cluster-yaml.js";

const folder = mkdtempSync(join(tmpdir(), "murmur-config-"));
after(() => rmSync(folder, { recursive: true }));

/** A good file; each case puts its own lines behind it, from line 6. */
const GOOD = `cluster: demo
nodes:
  - { id: n1, host: 127.0.0.1, http: 8101, peer: 9101, rack: r1 }
  - { id: n2, host: 127.0.0.1, http: 8102, peer: 9102, datacenter: dc2 }
  - { id: n3, host: localhost, http: 8103, peer: 9103 }
`;

const HEDGE = "p50 to p999, a duration such as 10ms, min(p99,50ms), max(p95,5ms), always or never";
const NAME = "1 to 64 characters out of A-Z a-z 0-9 _ . -, not dots alone";
const LEVELS = "one of ONE, TWO, THREE, QUORUM, ALL, LOCAL_ONE, LOCAL_QUORUM, EACH_QUORUM or a number of replicas";
const LOOPBACK = "clients cannot be authenticated yet, so a node listens on loopback only";

/** Lines behind the good file, and every mistake they make. */
const BEHIND: readonly (readonly [lines: string, ...mistakes: string[]])[] = [
  ["replicaton: 3", '6:1: replicaton: expected a known key, found "replicaton"; did you mean replication?'],
  [
    "xyz: 3",
    "6:1: xyz: expected one of cluster, replication, partitions, data, durability, consistency, hedge, nodes, buckets, defaults, limits, security, " +
      'found "xyz"; remove it',
  ],
  ["cluster: other", "6:1: cluster: expected once, found again; it stands in line 1 already"],
  ["replication: 4", "6:14: replication: expected at most 3, the number of nodes, found 4; lower it or add nodes"],
  ["replication: 0", "6:14: replication: expected a number of replicas, or a map such as { dc1: 3 }, found 0"],
  ["replication: {}", "6:14: replication: expected at least one datacenter, found none"],
  [
    "replication: { dc1: 3, dc2: 1, dc3: 1 }",
    "6:21: replication.dc1: expected at most 2, the nodes of dc1, found 3; lower it or add nodes",
    '6:37: replication.dc3: expected a datacenter of the nodes (dc1, dc2), found "dc3"; did you mean dc1?',
  ],
  ["partitions: 1000", "6:13: partitions: expected a power of two, found 1000; the nearest is 1024"],
  ["partitions: 131072", "6:13: partitions: expected a power of two from 1 to 65536, found 131072"],
  ["partitions: many", '6:13: partitions: expected a power of two from 1 to 65536, found "many"'],
  ["data: ''", '6:7: data: expected the path of a folder, found ""'],
  ["durability: groop", '6:13: durability: expected group or os, found "groop"; did you mean group?'],
  [
    "hedge: { after: p5, budgetPercent: 101 }",
    `6:17: hedge.after: expected ${HEDGE}, found "p5"`,
    "6:36: hedge.budgetPercent: expected percent from 0 to 100, found 101",
  ],
  ["hedge: { after: tied }", "6:17: hedge.after: tied requests are not built yet; use max(p95,2ms)"],
  ["consistency: QUORUM", '6:14: consistency: expected a map such as { read: QUORUM, write: QUORUM }, found "QUORUM"'],
  ["consistency: { read: Any, write: ANY }", "6:22: consistency.read: ANY is for writes only; use ONE"],
  [
    "consistency: { read: QUORM, write: 4 }",
    `6:22: consistency.read: expected ${LEVELS}, found "QUORM"; did you mean QUORUM?`,
    "6:36: consistency.write: expected at most 3, the replication, found 4; use ALL or a smaller one",
  ],
  [
    "buckets: { users: { type: row, cells: row }, a: { cells: set } }",
    `6:39: buckets.users.cells: expected one of ${CELL_TYPES.join(", ")}, found "row"`,
    "6:58: buckets.a.cells: expected a bucket of type row, found register; remove the line",
  ],
  [
    "buckets: { users: { type: regster } }",
    `6:27: buckets.users.type: expected one of ${BUILT_TYPES.join(", ")}, found "regster"; did you mean register?`,
  ],
  [
    "buckets: { 'a b': { hedge: never } }",
    `6:12: buckets.a b: expected a bucket name of ${NAME}, found "a b"`,
    '6:28: buckets.a b.hedge: expected a map such as { after: "max(p95,2ms)", budgetPercent: 10 }, found "never"',
  ],
  ["buckets: { ..: { type: register } }", `6:12: buckets...: expected a bucket name of ${NAME}, found ".."`],
  [
    "buckets: { a: { ttl: 2h } }\ndefaults: { ttl: 61m }\nlimits: { ttlMsMax: 3600000 }",
    "6:22: buckets.a.ttl: expected at most 3600000ms, found 2h; lower it or raise limits.ttlMsMax",
    "7:18: defaults.ttl: expected at most 3600000ms, found 61m; lower it or raise limits.ttlMsMax",
  ],
  [
    "buckets: { a: { coalesce: 5ms }, b: { type: counter, coalesce: 5 }, c: { type: counter, coalesce: 101ms } }",
    "6:27: buckets.a.coalesce: expected a bucket of type counter, found register; remove the line",
    "6:64: buckets.b.coalesce: expected a duration such as 5ms, found 5",
    "6:99: buckets.c.coalesce: expected at most 100ms, found 101ms; every increment waits for it (limits.coalesceMsMax)",
  ],
  [
    "buckets: { a: { type: siblings, clientStamps: true }, b: { clientStamps: 1 } }",
    "6:47: buckets.a.clientStamps: expected a bucket of type register, found siblings; remove the line",
    "6:74: buckets.b.clientStamps: expected true or false, found 1",
  ],
  [
    "buckets: { a: { type: counter, ttl: 5m }, b: { type: siblings, ttl: 5m } }",
    "6:37: buckets.a.ttl: expected a bucket of type register or siblings, found counter; remove the line",
  ],
  [
    "buckets: { a: { merge: ./none.js }, b: { type: siblings, merge: ./none.js }, c: { merge: 5 } }",
    "6:24: buckets.a.merge: expected a bucket of type siblings, found register; remove the line",
    "6:24: buckets.a.merge: expected a readable file, found none of that name",
    "6:65: buckets.b.merge: expected a readable file, found none of that name",
    "6:90: buckets.c.merge: expected the path of a JavaScript module, found 5",
  ],
  [
    "buckets: { a: { ttl: 60 }, b: { ttl: 0s }, c: users }",
    "6:22: buckets.a.ttl: expected a duration such as 500ms, 60s, 5m or 2h, found 60",
    '6:38: buckets.b.ttl: expected a duration such as 500ms, 60s, 5m or 2h, found "0s"',
    '6:47: buckets.c: expected a map such as { type: register }, found "users"',
  ],
  [
    "consistency: { read: TWO }\nbuckets:\n  few: { replication: 1, consistency: { write: THREE } }",
    "8:23: buckets.few.replication: consistency.read asks for TWO and here are 1 replicas; give the bucket a consistency of its own",
    "8:48: buckets.few.consistency.write: expected at most 1, the replication, found THREE; use ALL or a smaller one",
  ],
  [
    "defaults: { replication: 9 }",
    "6:26: defaults.replication: expected at most 3, the number of nodes, found 9; lower it or add nodes",
  ],
  [
    "limits: { valueBytesMax: 0, keyBytesMx: 1, contextBytesMax: 1.5 }",
    "6:26: limits.valueBytesMax: expected a whole number from 1 to 16777216, found 0; a value is held whole in memory on each owner while it is written",
    '6:29: limits.keyBytesMx: expected a known key, found "keyBytesMx"; did you mean keyBytesMax?',
    "6:61: limits.contextBytesMax: expected a whole number from 64 to 8192, found 1.5; travels in a header, and servers cap headers",
  ],
  [
    "limits: { requestDeadlineMs: 40000 }",
    "6:30: limits.requestDeadlineMs: expected at most 30000, as requestDeadlineMsMax is 30000, found 40000; no request may take longer",
  ],
  [
    "limits: { frameBytesMax: 1048576 }",
    "6:26: limits.frameBytesMax: expected at least 2097152, 2 times valueBytesMax, found 1048576; a frame carries a value and more",
  ],
  ["security: { tokensFile: ./t }", "6:13: security.tokensFile: tokensFile is not built yet; remove the line"],
  ["security: { tls: { cert: c } }", "6:13: security.tls: tls is not built yet; remove the line"],
  ["security: { secretFile: ./none }", "6:25: security.secretFile: expected a readable file, found none of that name"],
  [
    "security: { secretFile: ./short }",
    "6:25: security.secretFile: expected at least 16 bytes in it, found 15; make it longer",
  ],
  [
    "security: { allowedOrigins: ['https://a.org/'], allowedHosts: a }",
    '6:30: security.allowedOrigins[0]: expected an origin such as https://example.org, found "https://a.org/"',
    '6:63: security.allowedHosts: expected a list of host names, found "a"',
  ],
];

for (const [lines, ...mistakes] of BEHIND) {
  test(`refused: ${lines.split("\n")[0]}`, () => {
    writeFileSync(join(folder, "short"), "fifteen bytes..\n");
    assert.deepEqual(mistakesOf(GOOD + lines), mistakes);
  });
}

/** Whole files, and every mistake in them. */
const WHOLE: readonly (readonly [name: string, text: string, ...mistakes: string[]])[] = [
  ["an empty file", "", "1:1: the file: expected a map with at least cluster and nodes, found an empty file"],
  [
    "nothing but a comment",
    "# soon\n",
    "1:1: the file: expected a map with at least cluster and nodes, found an empty file",
  ],
  ["a list", "- cluster", "1:1: the file: expected a map with at least cluster and nodes, found a list"],
  ["no nodes at all", "cluster: c\n", "1:1: nodes: missing; expected a list of at least one node"],
  [
    "an empty list of nodes",
    "cluster: c\nnodes: []",
    "2:8: nodes: expected a list of at least one node, found an empty one",
  ],
  [
    "a broken file",
    "cluster: c\nnodes: [",
    "2:9: YAML: flow sequence in block collection must be sufficiently indented and end with a ]",
  ],
  ["two documents", "cluster: c\n---\n", "2:1: YAML: source contains multiple documents"],
  ["a tag", "cluster: !!name c", "1:10: YAML: unresolved tag: tag:yaml.org,2002:name"],
  [
    "an alias of nothing",
    "cluster: *name\nnodes: [{ id: n1, host: ::1, http: 1, peer: 2 }]",
    "1:10: cluster: expected an anchor &name above and outside; write it out",
  ],
  [
    "nodes that make all mistakes",
    `cluster: my demo
nodes:
  - { id: n1, host: 127.0.0.1, http: 8101, peer: 8101, bind: 0.0.0.0 }
  - { id: n1, host: example.org, http: 0, peer: 9102, rak: r1 }
  - { id: 3, host: localhost, peer: 8101, rack: "" }
  - { id: .., host: 127.0.0.1, http: "8104", peer: 65536 }
  - n5
`,
    `1:10: cluster: expected a cluster name of ${NAME}, found "my demo"`,
    "3:50: nodes[0].peer: expected a port of its own on 127.0.0.1, found 8101, which nodes[0].http has",
    `3:62: nodes[0].bind: expected 127.0.0.1, ::1 or localhost, found "0.0.0.0"; ${LOOPBACK}`,
    '4:11: nodes[1].id: expected an id of its own, found "n1", which nodes[0] has',
    `4:21: nodes[1].host: expected 127.0.0.1, ::1 or localhost, found "example.org"; ${LOOPBACK}`,
    "4:40: nodes[1].http: expected a port from 1 to 65535, found 0",
    '4:55: nodes[1].rak: expected a known key, found "rak"; did you mean rack?',
    "5:5: nodes[2].http: missing; expected a port from 1 to 65535",
    '5:11: nodes[2].id: expected a text, found 3; write "3"',
    "5:37: nodes[2].peer: expected a port of its own on localhost, found 8101, which nodes[0].http has",
    `5:49: nodes[2].rack: expected a rack name of ${NAME}, found ""`,
    `6:11: nodes[3].id: expected a node id of ${NAME}, found ".."`,
    '6:38: nodes[3].http: expected a port from 1 to 65535, found "8104"',
    "6:52: nodes[3].peer: expected a port from 1 to 65535, found 65536",
    '7:5: nodes[4]: expected a map such as { id: n1, host: 127.0.0.1, http: 8101, peer: 9101 }, found "n5"',
  ],
];

for (const [name, text, ...mistakes] of WHOLE) {
  test(`refused: ${name}`, () => assert.deepEqual(mistakesOf(text), mistakes));
}

test("refused: more different replications than rows' addresses can tell apart", () => {
  const nodes = ["a", "b"].flatMap((datacenter, index) =>
    Array.from({ length: 16 }, (_, number) => {
      const port = 10_000 + 1000 * index + 2 * number;
      return `  - { id: ${datacenter}${number}, host: ::1, http: ${port}, peer: ${port + 1}, datacenter: ${datacenter} }`;
    }),
  );
  const buckets = Array.from(
    { length: 256 },
    (_, index) => `  b${index}: { replication: { a: ${1 + (index >> 4)}, b: ${1 + (index & 15)} } }`,
  );
  const text = ["cluster: c", "replication: { a: 1, b: 1 }", "nodes:", ...nodes, "buckets:", ...buckets, ""];
  const last = "{ replication: { a: 16, b: 16 } }";
  assert.deepEqual(mistakesOf(text.join("\n")), [
    "292:24: buckets.b255.replication: expected at most 255 different replications in all, found one more; give the bucket one of the others",
  ]);
  configOf(text.join("\n").replace(last, last.replace("16, b: 16", "1, b: 1")));
});

test("refused: files that cannot be read as text", () => {
  const binary = join(folder, "binary.yaml");
  writeFileSync(binary, Buffer.from("cluster: demo\ndata: \xff\n", "latin1"));
  const lines = [binary, folder, join(folder, "none.yaml")].map((path) =>
    (loadClusterFile(path) as []).map(mistakeLine),
  );
  assert.deepEqual(lines, [
    [`${binary}:2:7: the file: expected UTF-8, found other bytes; save it as UTF-8`],
    [`${folder}:1:1: the file: expected a readable file, found a folder`],
    [`${join(folder, "none.yaml")}:1:1: the file: expected a readable file, found none of that name`],
  ]);
});

test("what a file leaves out takes its default", () => {
  const config = configOf(GOOD);
  const levels = { read: "QUORUM", write: "QUORUM" };
  assert.deepEqual(config, {
    cluster: "demo",
    partitions: 1024,
    data: join(folder, "data"),
    durability: "group",
    nodes: [
      { id: "n1", host: "127.0.0.1", bind: "127.0.0.1", http: 8101, peer: 9101, rack: "r1", datacenter: "dc1" },
      { id: "n2", host: "127.0.0.1", bind: "127.0.0.1", http: 8102, peer: 9102, rack: "n2", datacenter: "dc2" },
      { id: "n3", host: "localhost", bind: "localhost", http: 8103, peer: 9103, rack: "n3", datacenter: "dc1" },
    ],
    buckets: new Map(),
    defaults: {
      type: "register",
      replication: 3,
      consistency: levels,
      hedge: DEFAULT_HEDGE,
      ttlMs: undefined,
      cells: undefined,
      clientStamps: false,
      mergeFile: undefined,
      coalesceMs: undefined,
    },
    limits: DEFAULT_LIMITS,
    security: { secret: undefined, allowedHosts: [], allowedOrigins: [] },
  });
});

test("what a file says is taken over, and buckets inherit what they leave out", () => {
  writeFileSync(join(folder, "secret"), "sixteen bytes ok\r\n");
  writeFileSync(join(folder, "merge.js"), "export default () => 1;\n");
  const config = configOf(`${GOOD}replication: { dc1: 2, dc2: 1 }
consistency: { read: one }
hedge: { after: "min(p99,50ms)" }
data: /var/murmur
buckets:
  a: { replication: 2, consistency: { write: 2 }, hedge: { after: never, budgetPercent: 2.5 }, ttl: 5m, clientStamps: true }
  b:
  c: { type: siblings, merge: ./merge.js }
  d: { type: counter, coalesce: 5ms }
limits: { valueBytesMax: 16777216 }
security: { secretFile: ./secret, allowedOrigins: [https://a.org] }
`);
  assert.equal(config.data, "/var/murmur");
  assert.deepEqual(config.buckets.get("a"), {
    type: "register",
    replication: 2,
    consistency: { read: "ONE", write: 2 },
    hedge: { after: { kind: "never" }, budgetPercent: 2.5 },
    ttlMs: 300_000,
    cells: undefined,
    clientStamps: true,
    mergeFile: undefined,
    coalesceMs: undefined,
  });
  assert.equal(config.buckets.get("c")?.mergeFile, join(folder, "merge.js"));
  assert.equal(config.buckets.get("d")?.coalesceMs, 5);
  assert.deepEqual(config.buckets.get("b"), {
    type: "register",
    replication: { dc1: 2, dc2: 1 },
    consistency: { read: "ONE", write: "QUORUM" },
    hedge: { after: parseHedgePolicy("min(p99,50ms)"), budgetPercent: 10 },
    ttlMs: undefined,
    cells: undefined,
    clientStamps: false,
    mergeFile: undefined,
    coalesceMs: undefined,
  });
  assert.equal(config.limits.valueBytesMax, 16_777_216);
  assert.equal(Buffer.from(config.security.secret as Uint8Array).toString(), "sixteen bytes ok");
  assert.deepEqual(config.security.allowedOrigins, ["https://a.org"]);
});

test("anchors and aliases repeat a part of the file", () => {
  const config = configOf(`${GOOD}buckets:\n  a: &short { ttl: 1s }\n  b: *short\n`);
  assert.equal(config.buckets.get("b")?.ttlMs, 1000);
});

test("the repository's own cluster.yaml is good", () => {
  const config = loadClusterFile(fileURLToPath(new URL("../../cluster.yaml", import.meta.url))) as ClusterConfig;
  assert.deepEqual([config.cluster, config.nodes.length, config.partitions], ["murmur-demo", 5, 1024]);
  assert.equal(new Set(config.nodes.map(({ rack }) => rack)).size, 5);
});

test("durations have a unit", () => {
  const cases: [string, number | undefined][] = [
    ["500ms", 500],
    ["60s", 60_000],
    ["5m", 300_000],
    ["2h", 7_200_000],
    ["0s", 0],
  ];
  for (const text of ["", "60", "s", "1.5s", "-1s", " 1s", "1d", "1S", "999999999999999h"])
    cases.push([text, undefined]);
  for (const [text, expected] of cases) assert.equal(parseDurationMs(text), expected, text);
});

test("the nearest name is a slip away, never a guess", () => {
  const names = ["replication", "partitions", "rack"];
  const cases: [string, string | undefined][] = [
    ["replicaton", "replication"],
    ["RACK", "rack"],
    ["rcak", "rack"],
    ["rak", "rack"],
    ["zzz", undefined],
  ];
  for (const [name, expected] of cases) assert.equal(nearestName(name, names), expected, name);
});

function mistakesOf(text: string): string[] {
  const result = parseClusterFile(text, join(folder, "c.yaml"));
  assert.ok(Array.isArray(result), "the file should be refused");
  return result.map((mistake) => mistakeLine(mistake).slice(folder.length + "/c.yaml:".length));
}

function configOf(text: string): ClusterConfig {
  const result = parseClusterFile(text, join(folder, "c.yaml"));
  assert.ok(!Array.isArray(result), `the file should be good: ${JSON.stringify(result)}`);
  return result;
}
