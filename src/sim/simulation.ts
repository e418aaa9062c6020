/**
 * One run: a cluster, its clients and its faults, from the first start to the
 * proof that nothing was lost.
 *
 * First safety: while everything goes wrong, no answer may be wrong. Then all
 * faults end, and liveness is demanded: every owner votes, all replicas are
 * equal byte for byte, and every key can be read and holds what it must. (The
 * two phases are TigerBeetle's.)
 */
import { type NodeId, type Row, StorageDamage } from "../ports.js";
import { ALL_ROWS } from "../replica/rows.js";
import { Checker } from "./checker.js";
import { SimCluster } from "./cluster.js";
import { Faults, SIM_ROWS_MAX } from "./faults.js";
import { deadRow, isForgetful } from "./forgetting.js";
import { probesOf } from "./probes.js";
import { differingRow } from "./replicas.js";
import type { Fault, Script, Step } from "./script.js";
import { Trace } from "./trace.js";
import { keyOf, type Tally, Workload } from "./workload.js";

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
/** Longer than any operation may take. */
const LAST_ANSWER_MS = 11_000;
const CONVERGE_MS_MAX = 60_000;
const CONVERGE_STEP_MS = 500;
const READ_DEADLINE_MS = 2000;

/** Runs a script to its end. `say` is given a line for everything that happens. */
export function simulate(script: Script, say?: (line: string) => void): RunResult {
  return new Simulation(script, say).run();
}

class Simulation {
  private readonly trace: Trace;
  private readonly cluster: SimCluster;
  private readonly checker: Checker;
  private readonly faults: Faults;
  private readonly workload: Workload;

  constructor(
    private readonly script: Script,
    say: ((line: string) => void) | undefined,
  ) {
    const { shape } = script;
    this.trace = new Trace(say);
    this.cluster = clusterOf(script, (node, sentence) => this.say(`${node} says: ${sentence}`));
    this.checker = new Checker(
      shape.replication,
      script.swarm.some((kind) => kind === "wipe" || kind === "damage"),
      isForgetful(shape),
    );
    this.workload = new Workload({
      ...{ cluster: this.cluster, checker: this.checker },
      hedge: { after: script.hedge, budgetPercent: HEDGE_BUDGET_PERCENT },
      serves: (node) => this.faults.serves(node),
      say: (line) => this.say(line),
    });
    this.faults = new Faults(
      this.cluster,
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
      probes: probesOf(this.cluster, this.workload.failures),
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
    cluster.startAll(START_MS);
    const fromMs = cluster.clock.nowMs();
    for (const step of script.steps) {
      cluster.clock.runUntil(Math.max(cluster.clock.nowMs(), fromMs + step.atMs));
      this.take(step);
      const [violation] = this.checker.violations;
      if (violation !== undefined) return violation;
    }
    return undefined;
  }

  private take({ deed }: Step): void {
    if ("operation" in deed) this.workload.run(deed.operation);
    else if (this.faults.strike(deed.fault)) this.say(faultText(deed.fault));
  }

  private recover(): string | undefined {
    const { cluster } = this;
    this.say("all faults end");
    this.faults.heal();
    cluster.run(LAST_ANSWER_MS);
    const [unanswered] = this.workload.unanswered;
    if (unanswered !== undefined) return `${unanswered}: never answered`;
    const untilMs = cluster.clock.nowMs() + CONVERGE_MS_MAX;
    for (let apart = this.apart(); apart !== undefined; apart = this.apart()) {
      if (cluster.clock.nowMs() > untilMs) return apart;
      // Damage is healed when somebody meets it, and here everybody is asked for everything.
      if (this.script.swarm.includes("damage")) this.readAll();
      cluster.run(CONVERGE_STEP_MS);
    }
    this.say("all replicas are equal");
    if (this.keptAllHints()) this.checker.onHintsDelivered();
    return this.readAll() ?? this.checker.violations[0];
  }

  /** Why the replicas are not yet one, or undefined. */
  private apart(): string | undefined {
    const { cluster } = this;
    const rows = new Map<NodeId, Row[]>();
    for (const node of cluster.ids) {
      const [hints] = cluster
        .member(node)
        .hints()
        .filter((each) => each.hints > 0);
      if (hints !== undefined) return `${node} still keeps ${hints.hints} hints for ${hints.node}`;
      const { rebuilding, rows: counted } = cluster.member(node).describe();
      if (rebuilding > 0) return `${node} still rebuilds ${rebuilding} partitions`;
      const stored = this.storedAt(node);
      if (stored === undefined) return `${node} still has a row that cannot be read`;
      if (stored.length !== counted) return `${node} holds ${stored.length} rows and counts ${counted}`;
      rows.set(node, stored);
    }
    const differing = differingRow(rows, cluster.layout) ?? this.treeFault();
    return differing ?? (isForgetful(this.script.shape) ? this.remembered(rows) : undefined);
  }

  /** Why not all is forgotten that is dead, or undefined. */
  private remembered(stored: ReadonlyMap<NodeId, readonly Row[]>): string | undefined {
    const wallMs = this.cluster.clock.wallMs();
    return [...stored].map(([node, rows]) => deadRow(node, rows, wallMs)).find((dead) => dead !== undefined);
  }

  /** Hash trees are kept with each write; here they are held against the rows. */
  private treeFault(): string | undefined {
    for (const node of this.cluster.ids) {
      const fault = this.cluster.member(node).treeFault();
      if (fault !== undefined) return `${node}: ${fault}`;
    }
    return undefined;
  }

  /** Whether no hint was lost with a disk, or given up. */
  private keptAllHints(): boolean {
    const { cluster, script } = this;
    const lost = ["murmur_hints_expired_total", "murmur_hints_dropped_total"] as const;
    const isLost = cluster.ids.some((node) => lost.some((name) => cluster.meter(node).sum(name) > 0));
    return !isLost && !script.swarm.some((kind) => kind === "wipe" || kind === "damage");
  }

  private storedAt(node: NodeId): Row[] | undefined {
    try {
      return this.cluster.disk(node).scan(ALL_ROWS.from, ALL_ROWS.to, SIM_ROWS_MAX, Number.POSITIVE_INFINITY);
    } catch (error) {
      if (!(error instanceof StorageDamage)) throw error;
      return undefined;
    }
  }

  /** Reads every key at ALL; the first failure, if any. */
  private readAll(): string | undefined {
    let failure: string | undefined;
    const keys = new Set(this.script.steps.flatMap(({ deed }) => ("operation" in deed ? deed.operation.key : [])));
    for (const key of keys) {
      const node = this.cluster.ids[key % this.cluster.ids.length] as NodeId;
      const ticket = this.checker.begin(key, `last read of key ${key} at ${node}`, "ALL");
      const outcome = this.cluster.read(node, {
        ...{ bucket: "b", key: keyOf({ key }), level: "ALL", deadlineMs: READ_DEADLINE_MS, mend: true },
        hedge: { after: this.script.hedge, budgetPercent: HEDGE_BUDGET_PERCENT },
      });
      if (outcome.ok) this.checker.onRead(ticket, outcome.view, true);
      else failure ??= `${ticket.name}: ${outcome.failure.kind}: ${outcome.failure.detail}`;
    }
    return failure;
  }

  private say(line: string): void {
    this.trace.add(this.cluster.clock.nowMs(), line);
  }
}

function clusterOf({ seed, shape }: Script, onSaid: (node: NodeId, sentence: string) => void): SimCluster {
  return new SimCluster({
    ...{ seed, onSaid, nodes: shape.nodes, partitions: shape.partitions, limits: shape.limits },
    ...{ replication: shape.replication, commitMs: shape.commitMs },
    place: (index) => ({ datacenter: `dc${1 + (index % shape.datacenters)}`, rack: `r${index + 1}` }),
    clock: (index) => shape.clocks[index] ?? {},
  });
}

function faultText({ kind, ...rest }: Fault): string {
  return `FAULT ${kind} ${JSON.stringify(rest)}`;
}
