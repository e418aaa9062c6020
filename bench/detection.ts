/**
 * Failure detection: how soon a crash is noticed and known to all, how often
 * the living are taken for dead, and what it costs, in virtual time.
 *
 * All but the speed of the bench itself is a function of its seeds, so the
 * figures are the same on every machine.
 */
import { between } from "../src/base/random.js";
import { SeededRandom } from "../src/base/seeded.js";
import type { Limits } from "../src/config.js";
import type { NodeId } from "../src/ports.js";
import { Flock } from "./flock.js";
import type { BenchOptions, Result, Row, Table } from "./report.js";
import { type Spread, spreadOf } from "./spread.js";

interface DetectionCase {
  readonly nodes: number;
  readonly probes: number;
  readonly crashes: number;
}

/** Before anything is measured, and while what quiet costs is. */
const CALM_MS = 3000;
const PATIENCE_MS = 120_000;

export async function run(options: BenchOptions): Promise<Result> {
  const { quick, tiny, onProgress } = options;
  const few = quick ? 3 : 10;
  const small: DetectionCase[] = [3, 5, 25].map((nodes) => ({ nodes, probes: 4, crashes: few }));
  const large: DetectionCase[] = [
    { nodes: 100, probes: 4, crashes: few },
    { nodes: 100, probes: 1, crashes: few },
    { nodes: 1000, probes: 4, crashes: 3 },
  ];
  const cases = tiny ? small.slice(0, 1) : quick ? small : [...small, ...large];
  const rows: Row[] = [];
  for (const one of cases) {
    onProgress?.(`${one.nodes} nodes, ${one.probes} probes a period`);
    rows.push(detectionOf(one));
  }
  return {
    name: "detection",
    command: "npm run bench -- detection",
    title: "A crash: milliseconds until it is noticed, and what noticing costs",
    columns: [
      ...["nodes", "probes"].map((name) => ({ name, isLabel: true, digits: 0 })),
      ...["first suspects", "all suspect", "first says dead", "all say dead", "down for all"].map((name) => ({
        ...{ name, digits: 0 },
      })),
      { name: "periods", digits: 2 },
      { name: "model", digits: 2 },
      { name: "bytes/s", digits: 0 },
    ],
    rows,
    more: [falseTable(options)],
    notes: [
      "Virtual time, periods of 500 ms; medians (and extremes) of single crashes, looked at every 50 ms. probes: by each node in a period.",
      "periods: from the crash to the first suspicion. model: SWIM's rounds until somebody picks the dead, if all rounds began at once.",
      "down for all: no coordinator asks it any more. bytes/s: sent by each node when all is quiet, without the framing of the transport.",
      "taken for dead: a healthy member, in the table of a member, counted at each; at healthy: of a healthy one.",
    ],
    charted: "all say dead",
  };
}

function detectionOf({ nodes, probes, crashes }: DetectionCase): Row {
  const flock = new Flock({ nodes, seed: `detection ${nodes} ${probes}`, limits: { probedPeersMax: probes } });
  flock.startAll();
  settle(flock);
  flock.run(CALM_MS);
  const sentBytes = flock.sentBytes;
  flock.run(CALM_MS);
  const bytesPerSecond = ((flock.sentBytes - sentBytes) * 1000) / CALM_MS / nodes;
  const random = new SeededRandom("victims");
  const seen = Array.from({ length: crashes }, () => crashOne(flock, random));
  const times = (name: keyof Crash): Spread => spreadOf(seen.map((each) => each[name] ?? Number.NaN));
  return {
    ...{ nodes, probes },
    "first suspects": times("firstSuspects"),
    "all suspect": times("allSuspect"),
    "first says dead": times("firstDead"),
    "all say dead": times("allDead"),
    "down for all": times("allDown"),
    periods: mean(seen.map(({ firstSuspects }) => firstSuspects ?? Number.NaN)) / flock.limits.pingIntervalMs,
    model: modelPeriods(nodes, probes),
    "bytes/s": bytesPerSecond,
  };
}

/** Rounds until one begins in which somebody picks the dead among its probes (SWIM 3.1; e / (e - 1) for one of many). */
function modelPeriods(nodes: number, probes: number): number {
  const spared = 1 - Math.min(1, probes / (nodes - 1));
  return 1 / (1 - spared ** (nodes - 1));
}

/** In milliseconds after the crash. */
interface Crash {
  firstSuspects?: number;
  allSuspect?: number;
  firstDead?: number;
  allDead?: number;
  allDown?: number;
}

/** Crashes one member, looks on until all know, and has it back. */
function crashOne(flock: Flock, random: SeededRandom): Crash {
  const victim = flock.ids[between(random, 0, flock.ids.length - 1)] as NodeId;
  flock.run(between(random, 0, flock.limits.pingIntervalMs));
  flock.crash(victim);
  const crashedMs = flock.clock.nowMs();
  const seen: Crash = {};
  const isOver = () => {
    const elapsedMs = flock.clock.nowMs() - crashedMs;
    const peers = flock.living.map((id) => flock.of(id).peers);
    const [all, statuses] = [peers.length, peers.map((each) => each.statusOf(victim))];
    const dead = statuses.filter((status) => status === "dead").length;
    const doubted = dead + statuses.filter((status) => status === "suspect").length;
    if (doubted > 0) seen.firstSuspects ??= elapsedMs;
    if (doubted === all) seen.allSuspect ??= elapsedMs;
    if (dead > 0) seen.firstDead ??= elapsedMs;
    if (dead === all) seen.allDead ??= elapsedMs;
    if (peers.every((each) => !each.isAlive(victim))) seen.allDown ??= elapsedMs;
    return seen.allDead !== undefined && seen.allDown !== undefined;
  };
  if (flock.runUntil(isOver, PATIENCE_MS) === undefined) throw new Error(`${victim} was never known to be dead by all`);
  flock.start(victim);
  settle(flock);
  return seen;
}

function settle(flock: Flock): void {
  flock.run(1000);
  if (flock.runUntil(() => flock.isWhole(), PATIENCE_MS) === undefined) throw new Error("the members never agreed");
}

/** What of Lifeguard is switched off by a limit; the buddy system and the nacks are always there. */
const VARIANTS: readonly (readonly [name: string, limits: Partial<Limits>])[] = [
  ["SWIM", { awarenessFactorMax: 0, suspicionSpreadFactor: 1 }],
  ["with LHA-Probe", { suspicionSpreadFactor: 1 }],
  ["with LHA-Suspicion", { awarenessFactorMax: 0 }],
  ["Lifeguard", {}],
];

interface Trouble {
  readonly name: string;
  readonly lossRate: number;
  /** Of a hundred nodes, and what happens to them again and again. */
  readonly troubled: number;
  readonly kind: "stall" | "pause";
}

const TROUBLES: readonly Trouble[] = [
  { name: "10 % of packets lost", lossRate: 0.1, troubled: 0, kind: "stall" },
  { name: "10 % stalled 5 - 10 s", lossRate: 0, troubled: 0.1, kind: "stall" },
  { name: "10 % paused 5 - 10 s", lossRate: 0, troubled: 0.1, kind: "pause" },
];
const TROUBLE_MS_LEAST = 5000;
const TROUBLE_MS_MOST = 10_000;
const RESPITE_MS = 1000;
const LOOK_MS = 100;

interface FalseCase {
  readonly nodes: number;
  readonly lastingMs: number;
  readonly variants: typeof VARIANTS;
}

function falseTable({ quick, tiny, onProgress }: BenchOptions): Table {
  const few: FalseCase = {
    nodes: tiny ? 5 : 25,
    lastingMs: tiny ? 12_000 : quick ? 30_000 : 120_000,
    variants: VARIANTS,
  };
  const many: FalseCase = { nodes: 100, lastingMs: 60_000, variants: VARIANTS.filter((_, index) => index % 3 === 0) };
  const cases = quick ? [few] : [few, many];
  const rows = cases.flatMap(({ nodes, lastingMs, variants }) =>
    TROUBLES.flatMap((trouble) =>
      variants.map(([variant, limits]) => {
        onProgress?.(`${nodes} nodes, ${trouble.name}, ${variant}`);
        const labels = { nodes, seconds: lastingMs / 1000, trouble: trouble.name, variant };
        return { ...labels, ...falseDeaths(trouble, nodes, lastingMs, limits) };
      }),
    ),
  );
  const measures = ["suspicions", "refutations", "helped", "taken for dead", "at healthy", "bytes/s"];
  return {
    title: "The living taken for dead",
    columns: [
      ...["nodes", "seconds", "trouble", "variant"].map((name) => ({ name, isLabel: true })),
      ...measures.map((name) => ({ name, digits: 0 })),
    ],
    rows,
  };
}

function falseDeaths(
  { lossRate, troubled, kind }: Trouble,
  nodes: number,
  lastingMs: number,
  limits: Partial<Limits>,
): Row {
  const flock = new Flock({ nodes, seed: "false deaths", limits });
  flock.startAll();
  settle(flock);
  flock.run(CALM_MS);
  const before = flock.sentBytes;
  flock.network.weather = { ...flock.network.weather, lossRate };
  const slow = new Set(flock.ids.slice(0, Math.ceil(troubled * nodes)));
  trouble(flock, slow, kind, new SeededRandom("troubles"));
  const dead = new Set<string>();
  const counts = { any: 0, healthy: 0 };
  for (let elapsedMs = 0; elapsedMs < lastingMs; elapsedMs += LOOK_MS) {
    flock.run(LOOK_MS);
    countDead(flock, slow, dead, counts);
  }
  return {
    suspicions: flock.sum("murmur_suspicions_total"),
    refutations: flock.sum("murmur_refutations_total"),
    helped: flock.sum("murmur_indirect_probes_helped_total"),
    "taken for dead": counts.any,
    "at healthy": counts.healthy,
    "bytes/s": ((flock.sentBytes - before) * 1000) / lastingMs / nodes,
  };
}

/** All that are slow are so at once, go on for a moment, and are slow again. */
function trouble(flock: Flock, slow: ReadonlySet<NodeId>, kind: Trouble["kind"], random: SeededRandom): void {
  for (const id of slow) flock[kind](id, true);
  flock.clock.after(between(random, TROUBLE_MS_LEAST, TROUBLE_MS_MOST), () => {
    for (const id of slow) flock[kind](id, false);
    flock.clock.after(RESPITE_MS, () => trouble(flock, slow, kind, random));
  });
}

/** Counts each healthy member that a member newly holds for dead. */
function countDead(
  flock: Flock,
  slow: ReadonlySet<NodeId>,
  dead: Set<string>,
  counts: { any: number; healthy: number },
): void {
  const healthy = flock.ids.filter((id) => !slow.has(id));
  for (const at of flock.ids) {
    const { peers } = flock.of(at);
    for (const node of healthy) {
      if (at === node) continue;
      const pair = `${at} ${node}`;
      if (peers.statusOf(node) !== "dead") dead.delete(pair);
      else if (!dead.has(pair)) {
        dead.add(pair);
        counts.any++;
        if (!slow.has(at)) counts.healthy++;
      }
    }
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
