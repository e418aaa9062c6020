/**
 * One run: a cluster, its clients and its faults, from the first start to the
 * proof that nothing was lost.
 *
 * First safety: while everything goes wrong, no answer may be wrong. Then all
 * faults end, and liveness is demanded: every owner votes, all replicas are
 * equal byte for byte, and every key can be read and holds what it must. (The
 * two phases are TigerBeetle's.)
 */

import { utf8 } from "../base/bytes.js";
import { EMPTY_CONTEXT, highestTimeUs } from "../lattice/context.js";
import type { NodeId } from "../ports.js";
import { addressOf, isCell, ROW_BUCKET } from "./cells.js";
import { Checker } from "./checker.js";
import { clocksOffMs, jumpsMs } from "./clock-errors.js";
import { SimCluster } from "./cluster.js";
import { Faults } from "./faults.js";
import { forgetMsMax, isForgetful } from "./forgetting.js";
import { datacentersOf } from "./key-owners.js";
import { MintedKeys, modelsOf } from "./minted-keys.js";
import { Owners } from "./owners.js";
import { convergeMsMax, forgetTimesMax } from "./patience.js";
import { probesOf } from "./probes.js";
import { apart, deadRowOf, overBound } from "./proof.js";
import { RowChecker } from "./row-checker.js";
import { type Fault, MINTED_TYPES, type Script, type Step } from "./script.js";
import { LOSING_KINDS } from "./swarm-faults.js";
import { Trace } from "./trace.js";
import { type Tally, Workload } from "./workload.js";

/** What a seed determines, and nothing else. */
export interface RunResult {
  readonly seed: number;
  readonly ok: boolean;
  readonly traceHash: string;
  readonly simulatedMs: number;
  readonly operations: Tally;
  readonly faults: Readonly<Record<string, number>>;
  /** The rare paths that this run came along. */
  readonly probes: readonly string[];
  readonly failure?: string;
}

const HEDGE_BUDGET_PERCENT = 10;
const START_MS = 1000;
const ROUND_TRIPS_TO_START = 10;
const CONVERGE_STEP_MS = 250;
/** After so many steps the bounds are looked at. */
const BOUNDS_EVERY = 16;
const LAST_DEADLINE_MS = 2000;
/** Of no operation of any script. */
const NEW_KEY = 1_000_000;

/** Runs a script to its end. `say` is given a line for everything that happens. */
export function simulate(script: Script, say?: (line: string) => void): RunResult {
  return new Simulation(script, say).run();
}

class Simulation {
  private readonly trace: Trace;
  private readonly cluster: SimCluster;
  private readonly owners: Owners;
  private readonly checker: Checker;
  private readonly noted = new Set<string>();
  private readonly faults: Faults;
  private readonly workload: Workload;
  /** Clocks jump so far that to go back is right. */
  private readonly goesBack: boolean;
  private readonly keys: ReadonlySet<number>;
  private readonly mintedKeys: MintedKeys;
  private readonly rows: RowChecker;
  /** For how long it was looked whether all is well: that is no time that the cluster needs. */
  private lookedMs = 0;

  constructor(
    private readonly script: Script,
    say: ((line: string) => void) | undefined,
  ) {
    const { shape } = script;
    this.keys = new Set(script.steps.flatMap(({ deed }) => ("operation" in deed ? deed.operation.key : [])));
    this.trace = new Trace(say);
    this.cluster = clusterOf(script, (node, sentence) => this.say(`${node} says: ${sentence}`));
    const losesCopies = script.swarm.some((kind) => LOSING_KINDS.includes(kind));
    this.owners = new Owners(shape.replication, losesCopies, (key) => datacentersOf(this.cluster, key));
    this.checker = new Checker(this.owners, isForgetful(shape));
    this.rows = new RowChecker(script, this.checker, this.noted);
    const world = {
      ...{ owners: this.owners, violations: this.checker.violations, noted: this.noted },
      ...{ nowMs: () => this.cluster.clock.wallMs(), clocksOffMs: clocksOffMs(script) },
    };
    const models = modelsOf(world);
    this.mintedKeys = new MintedKeys(script, this.cluster, this.owners, models, LAST_DEADLINE_MS);
    this.goesBack = jumpsMs(script) >= this.cluster.config.limits.clockSkewMsMax;
    this.workload = new Workload({
      ...{ cluster: this.cluster, checker: this.checker, rows: this.rows },
      ...{ owners: this.owners, models, noted: this.noted },
      hedge: { after: script.hedge, budgetPercent: HEDGE_BUDGET_PERCENT },
      serves: (node) => this.faults.serves(node),
      judgeAt: (node) => (this.goesBack ? undefined : `${node}/${this.cluster.startsOf(node)}`),
      stillMs: (node) => this.faults.stillMs(node),
      say: (line) => this.say(line),
    });
    this.faults = new Faults(
      this.cluster,
      script.seed,
      () => this.workload.isQuiet,
      (node) => this.workload.onGone(node),
    );
  }

  run(): RunResult {
    const failure = this.failureOf();
    const { seed } = this.script;
    return {
      ...{ seed, ok: failure === undefined, traceHash: this.trace.hash },
      simulatedMs: Math.round(this.cluster.clock.nowMs()),
      operations: this.workload.tally,
      faults: Object.fromEntries([...this.faults.counts].sort()),
      probes: probesOf(this.cluster, this.workload.failures, this.faults.counts, this.noted),
      ...(failure === undefined ? {} : { failure }),
    };
  }

  /** Whatever is thrown inside is a finding too: an assertion of the core has failed. */
  private failureOf(): string | undefined {
    try {
      return this.endanger() ?? this.recover();
    } catch (error) {
      return `crash: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
    }
  }

  private endanger(): string | undefined {
    const { cluster, script } = this;
    cluster.startAll(START_MS + ROUND_TRIPS_TO_START * 2 * script.shape.distanceMs);
    const fromMs = cluster.clock.nowMs();
    for (const [index, step] of script.steps.entries()) {
      cluster.clock.runUntil(Math.max(cluster.clock.nowMs(), fromMs + step.atMs));
      this.take(step);
      const wrong = this.checker.violations[0] ?? (index % BOUNDS_EVERY === 0 ? overBound(cluster) : undefined);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  private take({ deed }: Step): void {
    if ("operation" in deed) this.workload.run(deed.operation);
    else if ("range" in deed) this.workload.run(deed.range);
    else if ("change" in deed) this.workload.run(deed.change);
    else if (this.faults.strike(deed.fault, deed.drawnFor)) this.say(faultText(deed.fault));
  }

  /** All faults end: from here on the cluster has so long to become one, and then to forget. */
  private recover(): string | undefined {
    const { cluster, script } = this;
    this.say("all faults end");
    this.faults.heal();
    const fromMs = cluster.clock.nowMs();
    const convergeMs = convergeMsMax(script.shape);
    const forgetMs = isForgetful(script.shape)
      ? forgetTimesMax(script.shape) *
        forgetMsMax(cluster.config.limits, script.shape, this.keys.size + this.mintedKeys.size)
      : 0;
    const wrong =
      this.within(fromMs, convergeMs, () => this.unsettled()) ??
      this.within(fromMs, convergeMs + forgetMs, () => this.unsettled() ?? this.remembered() ?? this.disproof());
    if (wrong !== undefined) return wrong;
    this.say(`all replicas are equal after ${Math.round(cluster.clock.nowMs() - fromMs)} ms`);
    return this.checker.violations[0] ?? overBound(cluster);
  }

  /** What is still wrong so long after all faults, or undefined as soon as nothing is. */
  private within(fromMs: number, byMs: number, wrongOf: () => string | undefined): string | undefined {
    const { cluster } = this;
    const look = () => {
      const beganMs = cluster.clock.nowMs();
      const wrong = wrongOf();
      // Where everything is read, one after the other and from afar, that takes seconds.
      this.lookedMs += cluster.clock.nowMs() - beganMs;
      return wrong;
    };
    for (let wrong = look(); wrong !== undefined; wrong = look()) {
      if (cluster.clock.nowMs() - this.lookedMs - fromMs > byMs)
        return `${wrong}, ${Math.round(byMs)} ms after all faults`;
      cluster.run(CONVERGE_STEP_MS);
    }
    return undefined;
  }

  /** What is not yet as it must be in the end, or undefined. */
  private unsettled(): string | undefined {
    const [unanswered] = this.workload.unanswered;
    const wrong = unanswered === undefined ? apart(this.cluster) : `${unanswered}: not answered`;
    // Damage is healed when somebody meets it, and here everybody is asked for everything.
    if (wrong !== undefined && this.script.swarm.includes("damage")) this.readAll();
    return wrong;
  }

  /** Why not all is forgotten that is dead, or undefined. */
  private remembered(): string | undefined {
    return isForgetful(this.script.shape) ? deadRowOf(this.cluster) : undefined;
  }

  /** What is not as it must be of what clients are told, or undefined. */
  private disproof(): string | undefined {
    if (this.keptAllHints()) {
      this.checker.onHintsDelivered();
      this.owners.areHintsDelivered = true;
    }
    return this.readAll() ?? this.writeAll() ?? this.readAll();
  }

  /** Whether no hint was lost with a disk, or given up. */
  private keptAllHints(): boolean {
    const { cluster, script } = this;
    const lost = ["murmur_hints_expired_total", "murmur_hints_dropped_total"] as const;
    const isLost = cluster.ids.some((node) => lost.some((name) => cluster.meter(node).sum(name) > 0));
    return !isLost && !script.swarm.some((kind) => LOSING_KINDS.includes(kind));
  }

  /** Reads every key at ALL; the first failure, if any. */
  private readAll(): string | undefined {
    const hedge = { after: this.script.hedge, budgetPercent: HEDGE_BUDGET_PERCENT };
    let failure: string | undefined;
    for (const key of this.keys) {
      const node = this.nodeOf(key);
      const ticket = this.checker.begin(key, `last read of key ${key} at ${node}`, "ALL");
      const outcome = this.cluster.read(node, {
        ...{ ...addressOf(key), level: "ALL", deadlineMs: LAST_DEADLINE_MS, mend: true, hedge },
      });
      if (outcome.ok) this.checker.onRead(ticket, outcome.view, true);
      else failure ??= `${ticket.name}: ${outcome.failure.kind}: ${outcome.failure.detail}`;
    }
    const failed = this.rows.readAll(this.cluster, hedge, LAST_DEADLINE_MS) ?? this.mintedKeys.readAll(hedge);
    return failed ?? failure;
  }

  /** Whatever stamps a key has seen, it can still be written; and a new key is stamped with the time that it is. */
  private writeAll(): string | undefined {
    const { cluster, checker } = this;
    for (const key of [...this.keys, NEW_KEY]) {
      const node = this.nodeOf(key);
      const ticket = checker.begin(key, `last write of key ${key} at ${node}`, "ALL");
      const value = `the last of ${key}`;
      checker.onAttempt(key, value, false);
      const op = { kind: "put", contentType: "text/plain", value: utf8(value), expiresAtMs: undefined } as const;
      const wish = { ...addressOf(key), op, context: EMPTY_CONTEXT };
      const outcome = cluster.write(node, { ...wish, level: "ALL", deadlineMs: LAST_DEADLINE_MS });
      if (!outcome.ok) return `${ticket.name}: ${outcome.failure.kind}: ${outcome.failure.detail}`;
      checker.onWritten(ticket, value, outcome.context, EMPTY_CONTEXT);
      const aheadMs = highestTimeUs(outcome.context) / 1000 - cluster.clock.wallMs();
      if (key === NEW_KEY && aheadMs > cluster.config.limits.clockSkewMsMax)
        return `${ticket.name}: stamped ${Math.round(aheadMs)} ms ahead of the time`;
    }
    return this.mintedKeys.changeAll();
  }

  private nodeOf(key: number): NodeId {
    return this.cluster.ids[key % this.cluster.ids.length] as NodeId;
  }

  private say(line: string): void {
    this.trace.add(this.cluster.clock.nowMs(), line);
  }
}

function clusterOf({ seed, shape, steps }: Script, onSaid: (node: NodeId, sentence: string) => void): SimCluster {
  return new SimCluster({
    ...{ seed, onSaid, nodes: shape.nodes, partitions: shape.partitions, limits: shape.limits },
    ...{
      replication: shape.replication,
      distanceMs: shape.distanceMs,
      commitMs: shape.commitMs,
      durability: shape.durability,
    },
    types: [
      ...(steps.some(({ deed }) => "change" in deed) ? MINTED_TYPES : []),
      ...(steps.some(({ deed }) => "operation" in deed && isCell(deed.operation.key)) ? [ROW_BUCKET] : []),
    ],
    place: (index) => ({ datacenter: `dc${1 + (index % shape.datacenters)}`, rack: `r${index + 1}` }),
    clock: (index) => shape.clocks[index] ?? {},
  });
}

function faultText({ kind, ...rest }: Fault): string {
  const parts = Object.entries(rest).map(([name, value]) =>
    name === "node" ? `n${value + 1}` : `${name} ${JSON.stringify(value)}`,
  );
  return ["FAULT", kind, ...parts].join(" ");
}
