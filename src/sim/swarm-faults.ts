/**
 * The faults of a run: which kinds a seed enables, and when each strikes.
 */
import { below, between, fraction, happens, pick, type Random, shuffled } from "../base/random.js";
import { isForgetful } from "./forgetting.js";
import type { Fault, Shape, Step } from "./script.js";
import { type Cut, halves, isolate, isolated, nodesOf, oneWay, ring } from "./swarm-cuts.js";
import { CALM, type Weather } from "./transport.js";

/** A fault and when it strikes. */
export type FaultAt = { readonly atMs: number } & Fault;
export type Draw = (random: Random, shape: Shape, durationMs: number) => FaultAt[];
type Strike = (random: Random, shape: Shape, atMs: number) => FaultAt[];

export const SECOND_MS = 1000;
/** A turn, in which it does what has waited. */
const STUTTER_GAP_MS = 5;
const MINUTE_MS = 60 * SECOND_MS;

/** Each kind by name, and how it strikes during a run. */
const KINDS: readonly (readonly [name: string, draw: Draw])[] = [
  ["loss", weather((random) => ({ lossRate: 0.3 * fraction(random) }))],
  ["duplication", weather((random) => ({ duplicateRate: 0.5 * fraction(random) }))],
  ["reorder", weather((random) => ({ delayMsMax: pick(random, [5, 20, 50]), togetherRate: 0 }))],
  ["delay", weather((random) => slower(pick(random, [5, 50, 400])))],
  ["isolated node", cuts(isolated)],
  ["halves", cuts(halves)],
  ["one-way cut", cuts(oneWay)],
  ["ring", cuts(ring)],
  ["flapping", flapping],
  ["crash", now(4 * SECOND_MS, crash)],
  ["blackout", now(10 * SECOND_MS, blackout)],
  ["power loss", now(5 * SECOND_MS, power)],
  ["wipe", now(4 * SECOND_MS, wipe)],
  ["old copy", now(8 * SECOND_MS, oldCopy)],
  ["pause", now(4 * SECOND_MS, pause)],
  ["gray node", now(5 * SECOND_MS, gray)],
  ["clock jump", now(5 * SECOND_MS, jump)],
  ["failing disk", now(4 * SECOND_MS, disk)],
  ["failing reads", failingReads],
  ["damage", damage],
  ["rolling restart", rolling],
  // With bursts of operations; see swarm.ts.
  ["overload", now(6 * SECOND_MS, overload)],
];

/** Of clusters with several datacenters; see swarm-datacenters.ts. */
export const DATACENTER_CUT = "datacenter cut";

export const FAULT_KINDS: readonly string[] = [...KINDS.map(([name]) => name), DATACENTER_CUT];

/** Kinds that take copies away, so that only what a majority held must survive. */
export const LOSING_KINDS: readonly string[] = ["wipe", "old copy", "power loss", "failing reads", "damage"];

/** Forgetting rests on clocks that can be relied on; and what is damaged must be somewhere else too. */
function isPossible(name: string, shape: Shape): boolean {
  if (name === "damage") return shape.replication !== 1;
  return !isForgetful(shape) || name !== "clock jump";
}

/** Each kind with this chance. */
export function drawFaults(
  random: Random,
  shape: Shape,
  durationMs: number,
  chance: number,
): { swarm: string[]; faults: Step[] } {
  const drawn = KINDS.filter(([name]) => happens(random, chance) && isPossible(name, shape));
  // A store that lost something and a damaged one may together be all that held a row.
  const excluded = happens(random, 0.5) ? ["damage"] : LOSING_KINDS.filter((name) => name !== "damage");
  const rots = drawn.some(([name]) => name === "damage");
  const enabled = drawn.filter(([name]) => !rots || !excluded.includes(name));
  const faults = enabled.flatMap(([name, draw]) =>
    draw(random, shape, durationMs).map(
      ({ atMs, ...fault }): Step => ({ atMs, deed: { fault: fault as Fault, drawnFor: name } }),
    ),
  );
  return { swarm: enabled.map(([name]) => name), faults };
}

/** Strikes now and then, with so long between two on average. */
export function now(gapMs: number, strike: Strike): Draw {
  return (random, shape, durationMs) => {
    const steps: FaultAt[] = [];
    for (let atMs = gapMs * fraction(random); atMs < durationMs; atMs += 2 * gapMs * fraction(random)) {
      steps.push(...strike(random, shape, atMs));
    }
    return steps;
  };
}

/** The weather changes a few times; between storms it is calm. */
function weather(storm: (random: Random) => Partial<Weather>): Draw {
  return now(8 * SECOND_MS, (random, _shape, atMs) => [
    { atMs, kind: "weather", weather: { ...CALM, ...storm(random) } },
    ...(happens(random, 0.5)
      ? [{ atMs: atMs + between(random, 1, 6) * SECOND_MS, kind: "weather" as const, weather: CALM }]
      : []),
  ]);
}

/** All takes longer, and all about as long. */
function slower(delayMs: number): Partial<Weather> {
  return { delayMsMin: delayMs, delayMsMax: 1.1 * delayMs };
}

/** Cuts that heal after a while. */
function cuts(cut: Cut): Draw {
  return now(6 * SECOND_MS, (random, { nodes }, atMs) => [
    ...cut(random, nodes).map((links): FaultAt => ({ atMs, kind: "cut", ...links })),
    { atMs: atMs + between(random, 100, 8 * SECOND_MS), kind: "heal" },
  ]);
}

/** The same links are cut and healed again and again. */
function flapping(random: Random, shape: Shape, durationMs: number): FaultAt[] {
  return now(8 * SECOND_MS, (_random, { nodes }, atMs) => {
    const links = pick(random, [isolated, halves, oneWay, ring])(random, nodes);
    const lengthMs = between(random, 20, 900);
    return Array.from({ length: between(random, 3, 8) }, (_, time): FaultAt[] => [
      ...links.map((link): FaultAt => ({ atMs: atMs + 2 * time * lengthMs, kind: "cut", ...link })),
      { atMs: atMs + (2 * time + 1) * lengthMs, kind: "heal" },
    ]).flat();
  })(random, shape, durationMs);
}

function crash(random: Random, { nodes }: Shape, atMs: number): FaultAt[] {
  const node = below(random, nodes);
  return [
    { atMs, kind: "crash", node, tail: pick(random, ["lost", "kept", "torn"] as const) },
    { atMs: atMs + pick(random, [1, 100, 3000, 8000]) * fraction(random), kind: "start", node },
  ];
}

/** All die at one moment. What was not durable is gone everywhere. */
function blackout(random: Random, { nodes }: Shape, atMs: number): FaultAt[] {
  const backMs = atMs + pick(random, [100, 3000]) * fraction(random);
  return Array.from({ length: nodes }, (_, node): FaultAt[] => [
    { atMs, kind: "crash", node, tail: "lost" },
    { atMs: backMs + 100 * fraction(random), kind: "start", node },
  ]).flat();
}

function power(random: Random, { nodes }: Shape, atMs: number): FaultAt[] {
  const node = below(random, nodes);
  const tail = pick(random, ["lost", "kept", "torn"] as const);
  return [
    { atMs, kind: "power", node, tail, groups: pick(random, [0, 1, 10, 1000]) },
    { atMs: atMs + pick(random, [100, 3000]) * fraction(random), kind: "start", node },
  ];
}

/** At times while one of the others is behind, and the next one out of reach: then the votes of who knows nothing matter. */
function wipe(random: Random, { nodes }: Shape, atMs: number): FaultAt[] {
  const [node, behind, away] = shuffled(random, nodesOf(nodes)) as [number, number, number];
  const backMs = pick(random, [1, 50, 3000]) * fraction(random);
  if (happens(random, 0.5)) return wipeAt(atMs, node, backMs);
  const laterMs = atMs + between(random, 100, 3000);
  return [
    ...isolate(behind, nodes).map((links): FaultAt => ({ atMs, kind: "cut", ...links })),
    { atMs: laterMs, kind: "heal" },
    ...isolate(away, nodes).map((links): FaultAt => ({ atMs: laterMs, kind: "cut", ...links })),
    ...wipeAt(laterMs, node, backMs),
    { atMs: laterMs + between(random, 500, 4000), kind: "heal" },
  ];
}

function wipeAt(atMs: number, node: number, backMs: number): FaultAt[] {
  return [
    { atMs, kind: "wipe", node },
    { atMs: atMs + backMs, kind: "start", node },
  ];
}

/** Somebody puts back a copy of a store: it knows less of itself than its peers do. */
function oldCopy(random: Random, { nodes }: Shape, atMs: number): FaultAt[] {
  const node = below(random, nodes);
  const laterMs = atMs + between(random, 1, 8) * SECOND_MS;
  // Nobody copies a store back so soon that its peers still take it for up.
  const startMs = laterMs + between(random, 4, 8) * SECOND_MS;
  const as = pick(random, ["files", "snapshot"] as const);
  return [
    { atMs, kind: "copy", node },
    { atMs: laterMs, kind: "restore", node, as },
    { atMs: startMs, kind: "start", node },
  ];
}

function pause(random: Random, { nodes }: Shape, atMs: number): FaultAt[] {
  const node = below(random, nodes);
  const lengthMs = 100 + pick(random, [100, 1000, 5000, 20_000, MINUTE_MS - 100]) * fraction(random);
  return [
    { atMs, kind: "pause", node },
    { atMs: atMs + lengthMs, kind: "resume", node },
  ];
}

function gray(random: Random, { nodes }: Shape, atMs: number): FaultAt[] {
  const node = below(random, nodes);
  return [
    { atMs, kind: "slow", node, factor: pick(random, [10, 100]) },
    { atMs: atMs + between(random, 100, 5000), kind: "slow", node, factor: 1 },
  ];
}

function jump(random: Random, { nodes }: Shape, atMs: number): FaultAt[] {
  const mostMs = pick(random, [4 * SECOND_MS, MINUTE_MS, 60 * MINUTE_MS]);
  const node = below(random, nodes);
  const byMs = between(random, -mostMs, mostMs);
  if (happens(random, 0.5)) return [{ atMs, kind: "jump", node, byMs }];
  // Somebody sets it right again.
  return [
    { atMs, kind: "jump", node, byMs },
    { atMs: atMs + between(random, 100, 5000), kind: "jump", node, byMs: -byMs },
  ];
}

function disk(random: Random, { nodes }: Shape, atMs: number): FaultAt[] {
  const node = below(random, nodes);
  const error = pick(random, ["full", "io"] as const);
  return [
    { atMs, kind: "disk", node, groups: between(random, 1, 20), error },
    { atMs: atMs + between(random, 100, 3000), kind: "disk", node, groups: 0, error },
  ];
}

/** One node's disk fails a share of its reads for a while. */
function failingReads(random: Random, shape: Shape, durationMs: number): FaultAt[] {
  const node = below(random, shape.nodes);
  return now(5 * SECOND_MS, (_random, _shape, atMs) => [
    { atMs, kind: "reads", node, failRate: 0.1 * fraction(random) },
    { atMs: atMs + between(random, 100, 4000), kind: "reads", node, failRate: 0 },
  ])(random, shape, durationMs);
}

/** One node's disk rots: whatever it loses, the other owners still have. */
function damage(random: Random, shape: Shape, durationMs: number): FaultAt[] {
  const node = below(random, shape.nodes);
  return now(SECOND_MS, (_random, _shape, atMs) => [
    { atMs, kind: pick(random, ["unreadable", "flip"] as const), node, pick: random.u32() },
  ])(random, shape, durationMs);
}

/** Each node is stopped in order and started again, one after another. */
function rolling(random: Random, { nodes }: Shape, durationMs: number): FaultAt[] {
  const downMs = between(random, 100, 2000);
  const everyMs = downMs + between(random, 500, 3000);
  const startMs = below(random, durationMs);
  return Array.from({ length: nodes }, (_, node): FaultAt[] => [
    { atMs: startMs + node * everyMs, kind: "stop", node },
    { atMs: startMs + node * everyMs + downMs, kind: "start", node },
  ]).flat();
}

/** The nodes need so long for each frame that the clients ask for more than they can do. */
function overload(random: Random, { nodes }: Shape, atMs: number): FaultAt[] {
  const msPerFrame = pick(random, [0.1, 0.5, 2, 5]);
  const endMs = atMs + between(random, 500, 4000);
  // The slowest has its processor only now and then.
  const stutters = msPerFrame === 5 ? stutter(random, below(random, nodes), atMs) : [];
  return [{ atMs, kind: "busy", msPerFrame }, { atMs: endMs, kind: "busy", msPerFrame: 0 }, ...stutters];
}

/** Late for several beats in a row: what a node goes by when it sheds work. */
function stutter(random: Random, node: number, atMs: number): FaultAt[] {
  const lengthMs = between(random, 300, 1200);
  return Array.from({ length: 8 }, (_, time): FaultAt[] => [
    { atMs: atMs + time * (lengthMs + STUTTER_GAP_MS), kind: "pause", node },
    { atMs: atMs + time * (lengthMs + STUTTER_GAP_MS) + lengthMs, kind: "resume", node },
  ]).flat();
}
