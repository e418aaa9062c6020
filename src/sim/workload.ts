/**
 * Clients of a simulated cluster: they ask a node, and the next one after a failure.
 */
import { utf8 } from "../base/bytes.js";
import type { Hedge } from "../cluster-config.js";
import { changeIdOf } from "../coordinator/change-id.js";
import type { Failure } from "../coordinator/outcome.js";
import { type Context, contextUpTo, EMPTY_CONTEXT, lastStampOf } from "../lattice/context.js";
import type { Op } from "../lattice/op.js";
import { latticeNamed } from "../lattice/registry.js";
import { compareStamps, type Stamp } from "../lattice/stamp.js";
import type { NodeId } from "../ports.js";
import { addressOf, keyOf } from "./cells.js";
import type { Checker, Ticket } from "./checker.js";
import type { SimCluster } from "./cluster.js";
import { KeptIds } from "./kept-ids.js";
import type { Asked, Model } from "./model.js";
import { type Outcome, okText } from "./outcome-text.js";
import type { Owners } from "./owners.js";
import { type PageAsked, type RowChecker, requestOf } from "./row-checker.js";
import type { Change, MintedType, Operation, RangeReading } from "./script.js";

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
  readonly rows: RowChecker;
  readonly owners: Owners;
  readonly models: Readonly<Record<MintedType, Model>>;
  /** Rare meetings that the store itself does not count. */
  readonly noted: Set<string>;
  readonly hedge: Hedge;
  serves(node: NodeId): boolean;
  /** The process that judges expiry at a node, if its clock never goes back by more than it may. */
  judgeAt(node: NodeId): string | undefined;
  /** For how long a node has stood still until now. */
  stillMs(node: NodeId): number;
  say(line: string): void;
}

/** An operation under way at a node. */
interface Pending {
  readonly node: NodeId;
  readonly name: string;
  readonly isWrite: boolean;
  readonly onGone: () => void;
}

/** The meeting of a change with an owner that never answered whether it made it. */
export const MINTER_SILENT = "a minter was silent";
export const READ_FIRST = "a change read first what it acted on";

const RETRY_AFTER_MS = 50;
/** Clocks run fast or slow by less, and a deadline is kept by a node's own clock. */
const DRIFT_MAX = 0.001;
const SLACK_MS = 1;

type Asking = Operation | RangeReading | Change;

export class Workload {
  readonly tally: Tally = { acknowledged: 0, unknown: 0, refused: 0 };
  readonly failures = new Map<Failure["kind"], number>();
  private readonly pending = new Set<Pending>();
  /** What each client saw last of each key: it sends it along. */
  private readonly seen = new Map<string, Stamp>();
  private readonly keptIds: KeptIds;
  private operations = 0;
  /** Operations that wait for their next time. */
  private retrying = 0;

  constructor(private readonly host: WorkloadHost) {
    this.keptIds = new KeptIds(host.cluster.config.limits);
  }

  /** No write is under way. */
  get isQuiet(): boolean {
    for (const { isWrite } of this.pending) if (isWrite) return false;
    return true;
  }

  /** What is not answered yet. */
  get unanswered(): string[] {
    const waiting = [...this.pending].map(({ name }) => name);
    return this.retrying === 0 ? waiting : [...waiting, `${this.retrying} retries`];
  }

  run(operation: Asking): void {
    this.attempt(operation, `${operation.kind} ${++this.operations} key ${operation.key} ${operation.level}`, 0);
  }

  /** The process died, and so did whatever it was asked. */
  onGone(node: NodeId): void {
    for (const pending of [...this.pending]) if (pending.node === node) pending.onGone();
  }

  private attempt(operation: Asking, name: string, time: number): void {
    const node = this.nodeFor(operation.node + time);
    if (node === undefined) {
      this.tally.refused++;
      return;
    }
    if (operation.kind === "range") this.range(operation, name, node, time);
    else if ("type" in operation) this.attemptMinted(operation, name, node, time);
    else if (operation.kind === "read") this.read(operation, name, node, time);
    else this.write(operation, name, node, time);
  }

  private read(operation: Operation, name: string, node: NodeId, time: number): void {
    const { cluster, checker, hedge } = this.host;
    const ticket = this.begin(operation, name, node);
    const { level, deadlineMs } = operation;
    const request = { ...addressOf(operation.key), level, deadlineMs, hedge, mend: operation.mend };
    const done = this.expect(operation, ticket.name, node, time);
    cluster.member(node).read(request, (outcome) => {
      if (outcome.ok) {
        checker.onRead(ticket, outcome.view, operation.mend, this.host.judgeAt(node));
        this.see(operation, outcome.view.context);
      }
      done(outcome);
    });
  }

  private write(operation: Operation, name: string, node: NodeId, time: number): void {
    const { cluster, checker } = this.host;
    const ticket = this.begin(operation, name, node);
    // A retry writes the same value: it is the same wish.
    const value = operation.kind === "delete" ? undefined : `value ${name}`;
    if (value !== undefined) checker.onAttempt(operation.key, value, operation.ttlMs !== undefined);
    const vanishes = value === undefined || operation.ttlMs !== undefined;
    const vanishing = vanishes ? checker.onVanish(operation.key, cluster.clock.wallMs()) : undefined;
    const seen = operation.isAware ? this.seen.get(sessionOf(operation)) : undefined;
    const context = seen === undefined ? EMPTY_CONTEXT : contextUpTo(seen);
    const { level, deadlineMs } = operation;
    const op = this.opOf(operation, value);
    const request = { ...addressOf(operation.key), op, context, level, deadlineMs };
    const done = this.expect(operation, ticket.name, node, time);
    cluster.member(node).write(request, (outcome) => {
      if (outcome.ok) {
        checker.onWritten(ticket, value, outcome.context, context);
        this.see(operation, outcome.context);
        if (vanishing !== undefined) vanishing.stamp = lastStampOf(outcome.context);
      } else if (vanishing !== undefined && !outcome.failure.mayHaveApplied)
        checker.onNotVanished(operation.key, vanishing);
      done(outcome);
    });
  }

  private range(reading: RangeReading, name: string, node: NodeId, time: number): void {
    const { key, level, cellsMax, mend, from, to } = reading;
    const datacenter = this.host.cluster.member(node).ring.datacenterOf(node);
    const bounds = { from: from === undefined ? undefined : utf8(from), to: to === undefined ? undefined : utf8(to) };
    const asked = { name: `${name} at ${node}`, key, level, cellsMax, mend, datacenter, ...bounds };
    this.page(reading, asked, node, time);
  }

  private page(reading: RangeReading, asked: PageAsked, node: NodeId, time: number): void {
    const { cluster, rows, hedge } = this.host;
    const onPage = rows.begin(asked);
    const done = this.expect(reading, asked.name, node, time);
    cluster.member(node).range(requestOf(asked, reading, hedge), (outcome) => {
      if (outcome.ok) onPage(outcome, this.host.judgeAt(node));
      done(outcome);
      if (!outcome.ok || outcome.next === undefined) return;
      const { next } = outcome;
      this.host.cluster.clock.after(0, () => {
        if (this.host.serves(node)) this.page(reading, { ...asked, from: next }, node, reading.retries);
      });
    });
  }

  private attemptMinted(change: Change, name: string, node: NodeId, time: number): void {
    const { key, client } = change;
    const wish = name.replace(/ time .*/, "");
    const asked: Asked = { name: `${name} time ${time} at ${node}`, wish, key, client, ...this.partsOf(change, node) };
    if (change.kind === "read") this.readMinted(change, asked, node, time);
    else this.change(change, asked, node, time);
  }

  private readMinted(change: Change, asked: Asked, node: NodeId, time: number): void {
    const { cluster, models, hedge } = this.host;
    const { type, level, deadlineMs, mend } = change;
    const onView = models[type].read(asked, mend);
    const done = this.expect(change, asked.name, node, time);
    cluster.member(node).read({ bucket: type, key: keyOf(change), level, deadlineMs, hedge, mend }, (outcome) => {
      if (outcome.ok) onView(outcome.view);
      done(outcome);
    });
  }

  private change(change: Change, asked: Asked, node: NodeId, time: number): void {
    const { cluster, checker, models, noted } = this.host;
    const { type, level, deadlineMs } = change;
    const attempt = models[type].change(asked, change);
    const { op, context } = attempt;
    const done = this.expect(change, asked.name, node, time);
    const id = change.isNamed ? changeIdOf(asked.wish, op) : undefined;
    const request = { bucket: type, key: keyOf(change), op, context, id, level, deadlineMs };
    cluster.member(node).write(request, (outcome) => {
      if (outcome.ok) {
        if (latticeNamed(type)?.readsFirst(op, context)) noted.add(READ_FIRST);
        attempt.onAcknowledged(outcome.context, outcome.view);
      } else if (!outcome.failure.mayHaveApplied) attempt.onRefused();
      else if (outcome.failure.received === 0) noted.add(MINTER_SILENT);
      if (!outcome.ok && outcome.failure.kind === "id-reused")
        checker.violations.push(`${asked.name}: its id was another's`);
      done(outcome);
    });
  }

  /** Of whom the level means how many, and whom a change reads first, if it does. */
  private partsOf({ key, level }: Change, node: NodeId): Pick<Asked, "parts" | "firstParts"> {
    const { cluster, owners } = this.host;
    const datacenter = cluster.member(node).ring.datacenterOf(node);
    const first = level === "LOCAL_ONE" || level === "LOCAL_QUORUM" ? "LOCAL_QUORUM" : "QUORUM";
    return { parts: owners.partsOf(key, level, datacenter), firstParts: owners.partsOf(key, first, datacenter) };
  }

  private begin({ key, level }: Operation, name: string, node: NodeId): Ticket {
    const { checker, cluster } = this.host;
    return checker.begin(key, `${name} at ${node}`, level, cluster.member(node).ring.datacenterOf(node));
  }

  /** A client sends the highest that it saw. */
  private see(operation: Operation, context: Context): void {
    const stamp = lastStampOf(context);
    const session = sessionOf(operation);
    const known = this.seen.get(session);
    if (stamp !== undefined && (known === undefined || compareStamps(known, stamp) < 0)) this.seen.set(session, stamp);
  }

  private opOf(operation: Operation, value: string | undefined): Op {
    if (value === undefined) return { kind: "delete" };
    const { ttlMs } = operation;
    const expiresAtMs = ttlMs === undefined ? undefined : this.host.cluster.clock.wallMs() + ttlMs;
    return { kind: "put", contentType: "text/plain", value: utf8(value), expiresAtMs };
  }

  /** What to do with the outcome. It must come exactly once, unless its node dies first. */
  private expect(operation: Asking, name: string, node: NodeId, time: number): (outcome: Outcome) => void {
    const { checker, cluster } = this.host;
    const livedMs = () => cluster.clock.nowMs() - this.host.stillMs(node);
    const dueMs = livedMs() + operation.deadlineMs * (1 + DRIFT_MAX) + SLACK_MS;
    const settle = (result: string, count: keyof Tally) => {
      if (!this.pending.delete(pending)) checker.violations.push(`${name}: answered twice, or after its node's death`);
      if (livedMs() > dueMs) checker.violations.push(`${name}: answered ${Math.round(livedMs() - dueMs)} ms too late`);
      this.tally[count]++;
      this.host.say(`${name}: ${result}`);
    };
    const isWrite = operation.kind !== "read" && operation.kind !== "range";
    const wish = name.replace(/( time \d+)? at .*/, "");
    const isNamed = "isNamed" in operation;
    if (isNamed) this.keptIds.onAsked(wish, cluster.clock.nowMs());
    const retry = () => {
      const isInTime = !isNamed || this.keptIds.mayAsk(operation, wish, cluster.clock.nowMs() + RETRY_AFTER_MS);
      if (time < operation.retries && isInTime) this.retry(operation, wish, time + 1);
    };
    const onGone = () => {
      settle("its node died", isWrite ? "unknown" : "refused");
      // Who does not know tries again if that cannot count twice.
      if (isNamed) retry();
    };
    const pending = { node, name, isWrite, onGone };
    this.pending.add(pending);
    return (outcome) => {
      if (outcome.ok) return settle(okText(outcome), "acknowledged");
      const { kind, mayHaveApplied } = outcome.failure;
      this.failures.set(kind, (this.failures.get(kind) ?? 0) + 1);
      settle(kind, mayHaveApplied ? "unknown" : "refused");
      retry();
    };
  }

  private retry(operation: Asking, name: string, time: number): void {
    this.retrying++;
    this.host.cluster.clock.after(RETRY_AFTER_MS, () => {
      this.retrying--;
      this.attempt(operation, name, time);
    });
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

const sessionOf = ({ client, key }: Operation) => `${client}/${key}`;
