/** A process that counts up: one client of one datacenter, in a closed loop of many callers. */
import { randomUUID } from "node:crypto";
import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { type AddResult, type BatchWriteResult, MurmurClient, MurmurError } from "../src/client/client.js";
import { Histogram } from "../src/load/histogram.js";
import type { CallKind } from "./counter-arms.js";
import { type CounterOrder, type CounterReport, counterName } from "./counter-process.js";

const OPTIONS = { consistency: "LOCAL_QUORUM" } as const;
const WARM_UP_MS = 20_000;
/** How long a call is asked for again under its name. */
const PATIENCE_MS = 60_000;
/** One in so many callers tells how long its calls took: to look at the clock costs as much as to add. */
const TIMED_EVERY = 16;
/** A refused increment is not retried by the hundred thousand: its caller tries the next one. */
const LIMITS = { retryPercent: 1, requestsPendingMax: 100_000 };

const sockets = new Set<Socket>();
subscribe("net.client.socket", (message) => sockets.add((message as { socket: Socket }).socket));

let client: MurmurClient | undefined;

class Counting {
  readonly took = new Histogram();
  acknowledged = 0;
  unknown = 0;
  failed = 0;
  isOver = false;
  private readonly names: readonly string[];
  private readonly hits;

  constructor(
    private readonly db: MurmurClient,
    private readonly order: CounterOrder,
  ) {
    const { arm, keys } = order;
    this.names = Array.from({ length: keys }, (_, key) => counterName(key));
    this.hits = db.bucket(arm.bucket, { coalesceMs: arm.coalesceMs });
  }

  /** One caller: the next call when the last is answered. */
  async call(caller: number): Promise<void> {
    const calls: Readonly<Record<CallKind, (turn: number) => Promise<void>>> = {
      add: (turn) => this.add(turn),
      rows: (turn) => this.rows(turn),
      many: (turn) => this.many(turn),
      named: (turn) => this.named(turn),
    };
    const { perCall, arm } = this.order;
    const next = calls[arm.kind];
    const isTimed = caller % TIMED_EVERY === 0 || perCall > 1;
    for (let turn = caller; !this.isOver; turn += perCall) {
      const startMs = isTimed ? performance.now() : 0;
      await next(turn);
      if (isTimed) this.took.record(performance.now() - startMs);
    }
  }

  private nameAt(turn: number): string {
    return this.names[turn % this.names.length] as string;
  }

  private add(turn: number): Promise<void> {
    return this.hits.add(this.nameAt(turn), 1, OPTIONS).then(this.onAdded, this.onOneFailed);
  }

  private readonly onAdded = () => void this.acknowledged++;
  private readonly onOneFailed = (error: MurmurError) => this.onFailed(error, 1);

  private async rows(first: number): Promise<void> {
    const { perCall, arm } = this.order;
    const writes = Array.from({ length: perCall }, (_, row) => {
      return { bucket: arm.bucket, key: this.nameAt(first + row), op: { add: 1 } };
    });
    const whole = this.db.batch({ writes, return: "minimal", ...OPTIONS }).then(({ writes: results }) => results);
    this.tell(await whole.catch((error: MurmurError) => writes.map(() => ({ ok: false, error }) as const)));
  }

  private increments(first: number): (readonly [key: string, by: number])[] {
    return Array.from({ length: this.order.perCall }, (_, index) => [this.nameAt(first + index), 1] as const);
  }

  private async many(first: number): Promise<void> {
    this.tell(await this.hits.addMany(this.increments(first), OPTIONS));
  }

  /** Each increment counts in the end, once: so none of them is unknown, unless all patience is over. */
  private async named(first: number): Promise<void> {
    const increments = this.increments(first);
    const idempotencyKey = randomUUID();
    const untilMs = performance.now() + PATIENCE_MS;
    let results: readonly AddResult[];
    let known = new Array<boolean>(increments.length).fill(false);
    do {
      results = await this.hits.addMany(increments, { ...OPTIONS, idempotencyKey });
      known = known.map((isKnown, index) => isKnown || results[index]?.ok === true);
    } while (known.includes(false) && performance.now() < untilMs);
    for (const isKnown of known) {
      if (isKnown) this.acknowledged++;
      else this.unknown++;
    }
  }

  private tell(results: readonly (AddResult | BatchWriteResult)[]): void {
    for (const result of results) {
      if (result.ok) this.acknowledged++;
      else this.onFailed(result.error, 1);
    }
  }

  private onFailed(error: MurmurError, increments: number): void {
    if (!(error instanceof MurmurError)) throw error;
    if (error.mayHaveApplied) this.unknown += increments;
    else this.failed += increments;
  }
}

async function count(order: CounterOrder): Promise<CounterReport> {
  const { urls, datacenter, timeoutMs, lastingMs, callers, arm } = order;
  client ??= new MurmurClient({ nodes: urls, datacenter, timeoutMs, limits: LIMITS });
  // The cluster is known, and connections are there.
  await client.bucket(arm.bucket).count(counterName(0), { timeoutMs: WARM_UP_MS });
  const counting = new Counting(client, order);
  const [cpuBefore, bytesBefore, startMs] = [process.cpuUsage(), bytesOfSockets(), performance.now()];
  setTimeout(() => {
    counting.isOver = true;
  }, lastingMs);
  await Promise.all(Array.from({ length: callers }, (_, caller) => counting.call(caller)));
  const { user, system } = process.cpuUsage(cpuBefore);
  const bytes = bytesOfSockets();
  const { acknowledged, unknown, failed, took } = counting;
  return {
    ...{ acknowledged, unknown, failed, tookMs: took.toCounts() },
    seconds: (performance.now() - startMs) / 1000,
    cpuMicros: user + system,
    bytesOut: bytes.out - bytesBefore.out,
    bytesIn: bytes.in - bytesBefore.in,
  };
}

/** Closed ones are asked too: they remember. */
function bytesOfSockets(): { readonly out: number; readonly in: number } {
  const sum = { out: 0, in: 0 };
  for (const { bytesWritten, bytesRead } of sockets) {
    sum.out += bytesWritten;
    sum.in += bytesRead;
  }
  return sum;
}

process.on("message", (order: CounterOrder) => {
  void count(order).then((report) => process.send?.(report));
});
process.once("disconnect", () => process.exit());
