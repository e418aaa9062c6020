/**
 * What all requests of one node share: the store, the limits, and how many are under way.
 */
import type { ServerResponse } from "node:http";
import type { BucketConfig, ClusterConfig } from "../cluster-config.js";
import type { Level, Limits } from "../config.js";
import type { Labels, Log, Meter } from "../ports.js";
import { Crowding } from "./crowding.js";
import type { Mergers } from "./merging.js";
import { Outbox } from "./outbox.js";
import { overloaded, type Problem } from "./problem.js";
import type { Store } from "./store.js";
import { Unread } from "./unread.js";

/** One counter or gauge with its labels. */
export interface Reading {
  readonly labels: Labels;
  readonly value: number;
}

/** A meter that can also be read. */
export interface Scraped extends Meter {
  /** All series of a counter or gauge, none if it never counted. */
  readings(name: string): readonly Reading[];
  /** All metrics in the text format of Prometheus. */
  text(): Promise<string>;
}

export class Edge {
  /** Once true, every answer closes its connection. */
  draining = false;
  /** Answers whose request's body is still arriving: nothing was asked of the store for them yet. */
  readonly readingBody = new WeakSet<ServerResponse>();
  /** Told of each request that was answered, while somebody wants to know. */
  onRecorded: ((durationMs: number) => void) | undefined;
  readonly unread: Unread;
  readonly outbox: Outbox;
  readonly crowding: Crowding;
  private requestsPending = 0;
  private bodyBytesPending = 0;

  constructor(
    readonly store: Store,
    readonly config: ClusterConfig,
    readonly limits: Limits,
    readonly meter: Meter,
    log: Log,
    readonly wallMs: () => number,
    readonly mergers: Mergers = NO_MERGERS,
  ) {
    this.unread = new Unread(meter, limits);
    this.outbox = new Outbox(this.unread);
    this.crowding = new Crowding(config.buckets, limits, meter, log);
  }

  bucket(name: string): BucketConfig {
    return this.config.buckets.get(name) ?? this.config.defaults;
  }

  /**
   * Admits so many requests with bodies of so many bytes in sum, to be followed by one `leave` with the same figures;
   * or refuses them before any work, their bodies included.
   */
  enter(bodyBytes: number, requests = 1): Problem | undefined {
    if (this.requestsPending + requests > this.limits.requestsPendingMax) {
      return overloaded(`${this.requestsPending} requests are under way (requestsPendingMax)`);
    }
    if (this.bodyBytesPending + bodyBytes > this.limits.bodyBytesPendingMax) {
      return overloaded(`${this.bodyBytesPending} bytes of bodies are under way (bodyBytesPendingMax)`);
    }
    this.requestsPending += requests;
    this.bodyBytesPending += bodyBytes;
    return undefined;
  }

  get pending(): number {
    return this.requestsPending;
  }

  /** Tells the meter what is under way. */
  gauge(): void {
    this.meter.gauge("murmur_requests_pending", this.requestsPending);
    this.meter.gauge("murmur_body_bytes_pending", this.bodyBytesPending);
  }

  leave(bodyBytes: number, requests = 1): void {
    this.requestsPending -= requests;
    this.bodyBytesPending -= bodyBytes;
  }

  /** Records what came of a request that the store was asked. */
  record(operation: "read" | "write", level: Level, result: string, startedMs: number): void {
    this.count(operation, level, result);
    this.time(operation, startedMs);
  }

  /** Counts what came of one key, alone or in a batch; or of so many. */
  count(operation: "read" | "write", level: Level, result: string, times = 1): void {
    this.meter.count(COUNTER[operation], { level: String(level), result }, times);
  }

  /** Records how long a request took. */
  time(operation: keyof typeof OPERATION, startedMs: number): void {
    const durationMs = performance.now() - startedMs;
    this.meter.time("murmur_request_seconds", durationMs, OPERATION[operation]);
    this.onRecorded?.(durationMs);
  }
}

/** Of a node whose file names no merge functions. */
const NO_MERGERS: Mergers = { merge: (_bucket, _key, _contents, onMerged) => onMerged() };

const COUNTER = { read: "murmur_reads_total", write: "murmur_writes_total" } as const;
const OPERATION = {
  read: { operation: "read" },
  write: { operation: "write" },
  batch: { operation: "batch" },
  list: { operation: "list" },
} as const;
