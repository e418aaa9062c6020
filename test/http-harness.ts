/**
 * A real HTTP edge on a real port before a store that is a Map: what the tests
 * of the edge share.
 */
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect } from "node:net";
import { bytesToMapKey } from "../src/base/bytes.js";
import { type BucketConfig, type ClusterConfig, DEFAULT_HEDGE, type NodeConfig } from "../src/cluster-config.js";
import { DEFAULT_LIMITS, type Limits } from "../src/config.js";
import type { BatchOutcome, BatchRequest } from "../src/coordinator/batch.js";
import type { ListOutcome, ListRequest } from "../src/coordinator/list.js";
import type { Asked, ReadOutcome, ReadRequest, WriteOutcome, WriteRequest } from "../src/coordinator/outcome.js";
import type { RangeOutcome, RangeRequest } from "../src/coordinator/range.js";
import type { Mergers } from "../src/http/merging.js";
import { createHttpServer, type HttpServer } from "../src/http/server.js";
import type {
  ClusterStatus,
  Condition,
  ConflictsReport,
  HintsReport,
  LatencyReport,
  OwnersStatus,
  RingStatus,
  Store,
  TopReport,
} from "../src/http/store.js";
import { type AnyLattice, latticeNamed } from "../src/lattice/registry.js";
import { PromMeter } from "../src/real/meter.js";
import type { RepairOrder, RepairStatus } from "../src/upkeep/repair.js";

export const NOW_MS = 1_700_000_000_000;
export const ACTOR = 0x0123456789abcdefn;

export const REPLICAS: readonly Asked[] = [
  { node: "n1", askedMs: 0, answeredMs: 0.25, role: "self", state: "same" },
  { node: "n2", askedMs: 0.5, answeredMs: 1.734, role: "first", state: "behind" },
  { node: "n3", askedMs: 0.5, answeredMs: undefined, role: "first", state: "failed" },
];

/** One state per key, of the lattice of its bucket, stamped in the order of writes. Tests may look at what it was asked, and hold it back. */
export class FakeStore implements Store {
  readonly self = "n1";
  readonly reads: ReadRequest[] = [];
  readonly writes: WriteRequest[] = [];
  readonly lists: ListRequest[] = [];
  listOutcome: ListOutcome = { ok: true, keys: [], next: undefined };
  readonly ranges: RangeRequest[] = [];
  rangeOutcome: RangeOutcome = { ok: true, cells: [], next: undefined, replicas: REPLICAS, mended: [] };
  /** While set, requests wait here for the test to go on. */
  held: Array<() => void> | undefined;
  /** While set, this is the answer. */
  readOutcome: ReadOutcome | undefined;
  writeOutcome: WriteOutcome | undefined;
  onMemberChange: Parameters<Store["followMembers"]>[0] = () => {};
  nowMs = NOW_MS;
  private readonly states = new Map<string, unknown>();
  private lastUs = NOW_MS * 1000;

  read(request: ReadRequest, done: (outcome: ReadOutcome) => void): void {
    this.reads.push(request);
    const lattice = latticeOf(request.bucket);
    const view = lattice.view(this.states.get(placeOf(request)) ?? lattice.bottom, this.nowMs);
    const outcome = this.readOutcome ?? { ok: true, view, replicas: REPLICAS, mended: ["n2"] };
    this.later(() => done(outcome));
  }

  write(request: WriteRequest, done: (outcome: WriteOutcome) => void): void {
    this.writes.push(request);
    const told = this.writeOutcome;
    if (told !== undefined) return this.later(() => done(told));
    const lattice = latticeOf(request.bucket);
    const change = { ...request, stamp: { timeUs: ++this.lastUs, actor: ACTOR } };
    const state = lattice.mutate(this.states.get(placeOf(request)) ?? lattice.bottom, change);
    this.states.set(placeOf(request), state);
    const context = lattice.seenBy(state, change);
    const minted = lattice.blind ? {} : { view: lattice.view(state, this.nowMs) };
    this.later(() => done({ ok: true, context, ...minted, replicas: REPLICAS }));
  }

  /** As so many single requests. */
  batch(request: BatchRequest, done: (outcome: BatchOutcome) => void): void {
    const reads: ReadOutcome[] = [];
    const writes: WriteOutcome[] = [];
    const settle = (): void => {
      const isDone =
        Object.keys(reads).length === request.reads.length && Object.keys(writes).length === request.writes.length;
      if (isDone) done({ reads, writes });
    };
    for (const [index, each] of request.reads.entries()) {
      this.read(each, (outcome) => {
        reads[index] = outcome;
        settle();
      });
    }
    for (const [index, each] of request.writes.entries()) {
      this.write(each, (outcome) => {
        writes[index] = outcome;
        settle();
      });
    }
    if (request.reads.length + request.writes.length === 0) this.later(settle);
  }

  list(request: ListRequest, done: (outcome: ListOutcome) => void): void {
    this.lists.push(request);
    this.later(() => done(this.listOutcome));
  }

  range(request: RangeRequest, done: (outcome: RangeOutcome) => void): void {
    this.ranges.push(request);
    this.later(() => done(this.rangeOutcome));
  }

  latestContextMs(): number {
    return NOW_MS + 10_000;
  }

  cluster(): ClusterStatus {
    const layout = { version: 1, digest: "00" };
    const defaults = { type: "register", replication: 3 };
    const rest = { durability: "group", uptimeMs: 1, rows: this.states.size, incarnation: "00", refusing: undefined };
    return {
      cluster: "test",
      self: "n1",
      version: "1.2.3",
      partitions: 8,
      layout,
      ...rest,
      nodes: [],
      buckets: [],
      defaults,
    };
  }

  ring(): RingStatus {
    return { partitions: 8, layout: { version: 1, digest: "00" }, placements: [] };
  }

  latency(): LatencyReport {
    return { node: "n1", hedge: { after: "p95", budgetPercent: 10, tokens: 100 }, peers: [] };
  }

  top(): TopReport {
    return { node: "n1", keys: [] };
  }

  conflicts(bucket: string | undefined, itemsMax: number): ConflictsReport {
    const stamped = { time: "2023-11-14T22:13:20.000001Z", timeUs: NOW_MS * 1000 + 1, actor: "0123456789abcdef" };
    const noted = { kind: "stale", at: "2023-11-14T22:13:20.000Z", lost: { ...stamped, node: "n1" } } as const;
    const conflict = { bucket: bucket ?? "users", key: "ada", ...noted, kept: { ...stamped, node: undefined } };
    return { node: "n1", conflicts: [conflict, conflict].slice(0, itemsMax) };
  }

  hints(): HintsReport {
    const counts = { node: "n3", hints: 2, bytes: 345, oldestAgeMs: 61_000 };
    return { node: "n1", targets: [{ ...counts, state: "waiting" }] };
  }

  readonly repairs: RepairOrder[] = [];

  repair(order: RepairOrder): boolean {
    return this.repairs.push(order) === 1;
  }

  repairStatus(): RepairStatus {
    const found = { row: 0, stray: 0, gap: 0, leaf: 0, order: 0 };
    const about = {
      check: false,
      bucket: undefined,
      scrubbedRows: 7,
      scrubbed: 1,
      found,
      healedRows: 0,
      damagedRows: 0,
    };
    return { ...about, state: "done", peers: [] };
  }

  /** Two hints, of which a short time leaves one; while something is held, too many wait already. */
  flushHints(timeoutMs: number, done: Parameters<Store["flushHints"]>[1]): boolean {
    if (this.held !== undefined) return false;
    this.later(() => done({ hints: 2, left: timeoutMs < 100 ? 1 : 0 }));
    return true;
  }

  condition(): Condition {
    return { rows: this.states.size, rebuilding: 0, refusing: undefined };
  }

  followMembers(onChange: Parameters<Store["followMembers"]>[0]): void {
    this.onMemberChange = onChange;
  }

  owners(bucket: string, key: Uint8Array): OwnersStatus {
    return { token: `${bucket}:${Buffer.from(key).toString("hex")}`, partition: 3, owners: [] };
  }

  private later(step: () => void): void {
    if (this.held === undefined) setImmediate(step);
    else this.held.push(step);
  }
}

/** Buckets that have a type of their own; all others are of registers. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ["carts", "siblings"],
  ["visits", "counter"],
  ["tags", "set"],
  ["profiles", "map"],
]);

function latticeOf(bucket: string): AnyLattice {
  const name = bucket === "rows-of-counters" ? "counter" : (TYPES.get(bucket) ?? "register");
  return latticeNamed(name) as AnyLattice;
}

function placeOf(request: { bucket: string; key: Uint8Array }): string {
  return `${request.bucket} ${bytesToMapKey(request.key)}`;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The body, when the test knows that it is JSON. */
  readonly json: Record<string, unknown>;
}

export interface Sent {
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Uint8Array;
}

export interface TestEdge {
  readonly server: HttpServer;
  readonly store: FakeStore;
  readonly meter: PromMeter;
  readonly warnings: string[];
  ready: boolean;
  ask(method: string, path: string, sent?: Sent): Promise<Answer>;
  /** Sends bytes as they are, perhaps as the last ones, and gives all that comes back until the node closes. */
  raw(bytes: string | Uint8Array, last?: boolean): Promise<string>;
  stop(): Promise<void>;
}

export interface Changes {
  readonly limits?: Partial<Limits>;
  readonly node?: Partial<NodeConfig>;
  readonly security?: Partial<ClusterConfig["security"]>;
  readonly mergers?: Mergers;
}

export function configOf(changes: Changes): ClusterConfig {
  const bucket = {
    type: "register",
    replication: 3,
    hedge: DEFAULT_HEDGE,
    ttlMs: undefined,
    cells: undefined,
    clientStamps: false,
    mergeFile: undefined,
    coalesceMs: undefined,
  } as const;
  const defaults = { ...bucket, consistency: { read: "QUORUM", write: "QUORUM" } } as const;
  const short = { ...bucket, ttlMs: 60_000, consistency: { read: "ONE", write: "ALL" } } as const;
  const node = { id: "n1", host: "127.0.0.1", bind: "127.0.0.1", http: 0, peer: 0, rack: "r1", datacenter: "dc1" };
  return {
    cluster: "test",
    partitions: 8,
    data: "unused",
    durability: "group",
    nodes: [{ ...node, ...changes.node }],
    buckets: new Map<string, BucketConfig>([
      ["short", short],
      ["row", { ...defaults, type: "row", cells: "register" }],
      ["rows-of-counters", { ...defaults, type: "row", cells: "counter" }],
      ["stamped", { ...defaults, clientStamps: true }],
      ...[...TYPES].map(([name, type]) => [name, { ...defaults, type }] as const),
    ]),
    defaults,
    limits: { ...DEFAULT_LIMITS, ...changes.limits },
    security: { secret: undefined, allowedHosts: [], allowedOrigins: [], ...changes.security },
  };
}

export async function startEdge(changes: Changes = {}): Promise<TestEdge> {
  const config = configOf(changes);
  const store = new FakeStore();
  const meter = new PromMeter();
  const warnings: string[] = [];
  const log = { info: () => {}, warn: (sentence: string) => void warnings.push(sentence) };
  const ready = () => ({ ready: edge.ready, detail: { sees: ["n1"] } });
  const node = config.nodes[0] as NodeConfig;
  const wallMs = () => NOW_MS;
  const more = changes.mergers === undefined ? {} : { mergers: changes.mergers };
  const server = createHttpServer({ store, config, node, meter, log, limits: config.limits, ready, wallMs, ...more });
  const edge: TestEdge = {
    server,
    store,
    meter,
    warnings,
    ready: true,
    ask: (method, path, sent) => ask(server.port, method, path, sent),
    raw: (bytes, last = false) => raw(server.port, bytes, last),
    stop: () => new Promise((resolve) => server.drain(resolve)),
  };
  await new Promise<void>((resolve, reject) => server.listen((error) => (error ? reject(error) : resolve())));
  return edge;
}

function ask(port: number, method: string, path: string, sent: Sent = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, host: "127.0.0.1", method, path, headers: sent.headers ?? {}, agent: false });
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      const finish = () => {
        const body = Buffer.concat(chunks);
        const { statusCode: status = 0, headers } = response;
        resolve({
          status,
          headers,
          body,
          get json() {
            return JSON.parse(body.toString()) as Record<string, unknown>;
          },
        });
      };
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", finish);
      if (response.headers["content-type"] !== "text/event-stream") return;
      // A stream has no end: its head is the answer.
      response.destroy();
      finish();
    });
    request.end(sent.body);
  });
}

function raw(port: number, bytes: string | Uint8Array, last: boolean): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
    socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
    if (last) socket.end();
  });
}

/** Everything after the headers of the first answer in `text`, parsed. */
export function bodyOf(text: string): Record<string, unknown> {
  return JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4)) as Record<string, unknown>;
}
