/**
 * The client of a MurmurDB cluster: `murmurdb/client`.
 *
 *     const db = new MurmurClient({ nodes: ['http://127.0.0.1:8101'] })
 *     await db.bucket('users').put('ada', { name: 'Ada' }, { consistency: 'QUORUM' })
 *     const { value } = await db.bucket('users').get('ada')
 *     await db.close()
 *
 * It learns the ring from the nodes it is given and asks an owner of a key
 * directly; it retries what is safe to retry, asks a second node when the first
 * is silent, and stays away from nodes that do not answer.
 */
import { nearestName } from "../base/names.js";
import { TokenBucket } from "../base/token-bucket.js";
import { checkedTimeout, checkedTimer } from "./arguments.js";
import { runBatch } from "./batch.js";
import type { BatchOptions, BatchResult } from "./batch-options.js";
import { ClientBucket } from "./bucket.js";
import { Contexts } from "./contexts.js";
import { badRequest, ClosedError, OverloadedError } from "./errors.js";
import { Fleet } from "./fleet.js";
import { Learner } from "./learner.js";
import { AT_LEAST_ONE, CLIENT_LIMITS, type ClientLimits } from "./limits.js";
import { NodeLimits } from "./node-limits.js";
import type { Bucket, BucketOptions, MurmurClientOptions } from "./options.js";
import { Rest } from "./rest.js";
import type { Shared } from "./shared.js";
import { type ClientWorld, REAL_WORLD } from "./world.js";

export type {
  BatchChange,
  BatchDelete,
  BatchOptions,
  BatchPut,
  BatchRead,
  BatchReadResult,
  BatchResult,
  BatchWriteResult,
} from "./batch-options.js";
export {
  BadRequestError,
  ClosedError,
  ConnectionError,
  FailedError,
  MurmurError,
  OverloadedError,
  SiblingsError,
  TimeoutError,
  UnavailableError,
} from "./errors.js";
export type { ClientLimits } from "./limits.js";
export type {
  Abort,
  AddManyOptions,
  AddResult,
  BatchFailed,
  Bucket,
  BucketOptions,
  CallOptions,
  Cell,
  CellPage,
  ChangeOptions,
  ChangeResult,
  Consistency,
  DeletedCells,
  DeleteOptions,
  GetOptions,
  GetResult,
  KeyPage,
  KeysOptions,
  MapEdit,
  MapFields,
  MurmurClientOptions,
  PutOptions,
  RangeOptions,
  ReadResult,
  Replica,
  SetEdit,
  Sibling,
  WriteResult,
} from "./options.js";

/** How often nodes that are out are looked at, at most. */
const TEND_INTERVAL_MS = 20;

export class MurmurClient {
  private readonly shared: Shared;
  private readonly coalesceMs: number;
  private readonly buckets = new Map<string, ClientBucket>();
  private isClosed = false;
  private tendMs = 0;

  /** `world` is for tests: time and chance. Throws BadRequestError when the options make no sense. */
  constructor(options: MurmurClientOptions, world: ClientWorld = REAL_WORLD) {
    const limits = checkedLimits(options.limits);
    const urls = checkedUrls(options.nodes);
    if (options.hedge !== undefined && options.hedge !== "never") throw badRequest('hedge takes only "never"');
    this.coalesceMs = checkedWindow(options.coalesceMs);
    const fleet = new Fleet(urls, world, limits, options.datacenter);
    const rest = new Rest(limits.socketsMax, limits.idleSocketMs, world);
    this.shared = {
      ...{ fleet, limits, world, rest },
      nodeLimits: new NodeLimits(limits, world),
      learner: new Learner(fleet, rest, limits, world),
      retries: new TokenBucket(limits.retryTokensMax),
      hedges: new TokenBucket(limits.hedgeTokensMax),
      contexts: new Contexts(limits.contextsMax, (bucket) => fleet.typeOf(bucket)),
      timeoutMs: checkedTimeout(options.timeoutMs ?? limits.timeoutMs),
      mayHedge: options.hedge !== "never",
      admit: () => this.admit(),
      underWay: new Set(),
    };
  }

  /** Throws BadRequestError when no bucket can have this name. */
  bucket(name: string, options: BucketOptions = {}): Bucket {
    const coalesceMs = checkedWindow(options.coalesceMs ?? this.coalesceMs);
    const id = `${name} ${coalesceMs}`;
    const known = this.buckets.get(id);
    if (known !== undefined) return known;
    const bucket = new ClientBucket(this.shared, name, coalesceMs);
    if (this.buckets.size < BUCKETS_KEPT_MAX) this.buckets.set(id, bucket);
    return bucket;
  }

  /** Many reads and writes in one request; each has its own outcome, in the order given. */
  batch(options: BatchOptions): Promise<BatchResult> {
    return runBatch(this.shared, options);
  }

  /** Ends what is under way with ClosedError, closes all connections, and refuses all further calls. */
  async close(): Promise<void> {
    this.isClosed = true;
    for (const operation of [...this.shared.underWay]) operation.close();
    this.shared.learner.close();
    this.shared.rest.destroy();
    this.shared.fleet.destroy();
  }

  private admit(): void {
    if (this.isClosed) throw new ClosedError({ code: "closed", detail: "this client was closed" });
    const { underWay, limits, world, learner, fleet } = this.shared;
    if (underWay.size >= limits.requestsPendingMax) {
      const detail = `${underWay.size} operations of this client are under way (requestsPendingMax)`;
      throw new OverloadedError({ code: "overloaded", detail });
    }
    const nowMs = world.nowMs();
    if (nowMs >= this.tendMs) {
      this.tendMs = nowMs + TEND_INTERVAL_MS;
      learner.tick(nowMs);
      fleet.probe(nowMs);
    }
    if (fleet.misfit !== undefined) throw badRequest(fleet.misfit);
  }
}

/** Names may come from users of the application: the cache must not grow with them. */
const BUCKETS_KEPT_MAX = 1000;

/** Longer than this, and callers would take it for a stall. */
const COALESCE_MS_MAX = 1000;

function checkedWindow(coalesceMs = 0): number {
  if (coalesceMs >= 0 && coalesceMs <= COALESCE_MS_MAX) return coalesceMs;
  throw badRequest(`coalesceMs is a number of milliseconds from 0 to ${COALESCE_MS_MAX}, not ${coalesceMs}`);
}

function checkedLimits(given: Partial<ClientLimits> = {}): ClientLimits {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(CLIENT_LIMITS, name)) {
      const nearest = nearestName(name, Object.keys(CLIENT_LIMITS));
      throw badRequest(`no limit ${name}${nearest === undefined ? "" : `; did you mean ${nearest}?`}`);
    }
    const least = AT_LEAST_ONE.has(name) ? 1 : 0;
    if (!Number.isFinite(value) || value < least) {
      throw badRequest(`limits.${name} is a number from ${least}, not ${value}`);
    }
    if (/Ms(Max|Min)?$/.test(name)) checkedTimer(`limits.${name}`, value);
  }
  return { ...CLIENT_LIMITS, ...given };
}

/** Base URLs as origins. */
function checkedUrls(nodes: readonly string[]): string[] {
  if (!Array.isArray(nodes) || nodes.length === 0) throw badRequest("nodes takes the address of one node or more");
  return [...new Set(nodes.map(originOf))];
}

function originOf(node: string): string {
  const url = URL.canParse(node) ? new URL(node) : undefined;
  if (url?.protocol === "http:" && url.hostname !== "") return url.origin;
  throw badRequest(`a node is an address such as http://127.0.0.1:8101, not ${JSON.stringify(node)}`);
}
