/**
 * Clients of a simulated cluster: they ask a node, and the next one after a failure.
 */
import { utf8 } from "../base/bytes.js";
import type { Hedge } from "../cluster-config.js";
import type { Failure, ReadOutcome, WriteOutcome } from "../coordinator/outcome.js";
import type { Op } from "../lattice/lattice.js";
import type { NodeId } from "../ports.js";
import type { Checker, Ticket } from "./checker.js";
import type { SimCluster } from "./cluster.js";
import type { Operation } from "./script.js";

export interface Tally {
  acknowledged: number;
  /** Nobody can say whether it happened. */
  unknown: number;
  /** It certainly did not happen. */
  refused: number;
}

export interface WorkloadHost {
  readonly cluster: SimCluster;
  readonly checker: Checker;
  readonly hedge: Hedge;
  serves(node: NodeId): boolean;
  say(line: string): void;
}

/** An operation under way at a node. */
interface Pending {
  readonly node: NodeId;
  readonly name: string;
  readonly isWrite: boolean;
  readonly onGone: () => void;
}

const BUCKET = "b";
const RETRY_AFTER_MS = 50;

export class Workload {
  readonly tally: Tally = { acknowledged: 0, unknown: 0, refused: 0 };
  readonly failures = new Map<Failure["kind"], number>();
  private readonly pending = new Set<Pending>();
  private operations = 0;

  constructor(private readonly host: WorkloadHost) {}

  get isQuiet(): boolean {
    return [...this.pending].every(({ isWrite }) => !isWrite);
  }

  /** What was never answered: nothing, in a store that keeps its deadlines. */
  get unanswered(): string[] {
    return [...this.pending].map(({ name }) => name);
  }

  run(operation: Operation): void {
    this.attempt(operation, `${operation.kind} ${++this.operations} key ${operation.key} ${operation.level}`, 0);
  }

  /** The process died, and so did whatever it was asked. */
  onGone(node: NodeId): void {
    for (const pending of [...this.pending]) if (pending.node === node) pending.onGone();
  }

  private attempt(operation: Operation, name: string, time: number): void {
    const node = this.nodeFor(operation.node + time);
    if (node === undefined) {
      this.tally.refused++;
      return;
    }
    if (operation.kind === "read") this.read(operation, name, node, time);
    else this.write(operation, name, node, time);
  }

  private read(operation: Operation, name: string, node: NodeId, time: number): void {
    const { cluster, checker, hedge } = this.host;
    const ticket = checker.begin(operation.key, `${name} at ${node}`, operation.level);
    const { level, deadlineMs } = operation;
    const request = { bucket: BUCKET, key: keyOf(operation), level, deadlineMs, hedge, mend: operation.mend };
    const done = this.expect(operation, ticket, node, time);
    cluster.member(node).read(request, (outcome) => {
      if (outcome.ok) checker.onRead(ticket, outcome.view, operation.mend);
      done(outcome);
    });
  }

  private write(operation: Operation, name: string, node: NodeId, time: number): void {
    const { cluster, checker } = this.host;
    const ticket = checker.begin(operation.key, `${name} at ${node}`, operation.level);
    // A retry writes the same value: it is the same wish.
    const value = operation.kind === "delete" ? undefined : `value ${name}`;
    if (value !== undefined) checker.onAttempt(operation.key, value, operation.ttlMs !== undefined);
    if (value === undefined || operation.ttlMs !== undefined) checker.onVanish(operation.key, cluster.clock.wallMs());
    const seen = operation.isAware ? checker.lastSeen(operation.key) : undefined;
    const context = seen === undefined ? [] : [seen];
    const request = {
      ...{ bucket: BUCKET, key: keyOf(operation), op: this.opOf(operation, value) },
      ...{ context, level: operation.level, deadlineMs: operation.deadlineMs },
    };
    const done = this.expect(operation, ticket, node, time);
    cluster.member(node).write(request, (outcome) => {
      if (outcome.ok) checker.onWritten(ticket, value, outcome.context, context);
      done(outcome);
    });
  }

  private opOf(operation: Operation, value: string | undefined): Op {
    if (value === undefined) return { kind: "delete" };
    const { ttlMs } = operation;
    const expiresAtMs = ttlMs === undefined ? undefined : this.host.cluster.clock.wallMs() + ttlMs;
    return { kind: "put", contentType: "text/plain", value: utf8(value), expiresAtMs };
  }

  /** What to do with the outcome. It must come exactly once, unless its node dies first. */
  private expect(
    operation: Operation,
    { name }: Ticket,
    node: NodeId,
    time: number,
  ): (outcome: ReadOutcome | WriteOutcome) => void {
    const settle = (result: string, count: keyof Tally) => {
      if (!this.pending.delete(pending))
        this.host.checker.violations.push(`${name}: answered twice, or after its node's death`);
      this.tally[count]++;
      this.host.say(`${name}: ${result}`);
    };
    const isWrite = operation.kind !== "read";
    const pending = { node, name, isWrite, onGone: () => settle("its node died", isWrite ? "unknown" : "refused") };
    this.pending.add(pending);
    return (outcome) => {
      if (outcome.ok) return settle("ok", "acknowledged");
      const { kind, mayHaveApplied } = outcome.failure;
      this.failures.set(kind, (this.failures.get(kind) ?? 0) + 1);
      settle(kind, mayHaveApplied ? "unknown" : "refused");
      if (time < operation.retries) {
        this.host.cluster.clock.after(RETRY_AFTER_MS, () =>
          this.attempt(operation, name.replace(/ at .*/, ""), time + 1),
        );
      }
    };
  }

  /** The first from this one on that is there to be asked. */
  private nodeFor(index: number): NodeId | undefined {
    const { ids } = this.host.cluster;
    for (let step = 0; step < ids.length; step++) {
      const node = ids[(index + step) % ids.length] as NodeId;
      if (this.host.serves(node)) return node;
    }
    return undefined;
  }
}

export function keyOf({ key }: Pick<Operation, "key">): Uint8Array {
  return utf8(`key ${key}`);
}
