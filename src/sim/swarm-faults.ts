/**
 * The faults of a run: which kinds a seed enables, and when each strikes.
 */
import { below, between, fraction, happens, pick, type Random, shuffled } from "../base/random.js";
import { isForgetful } from "./forgetting.js";
import type { Fault, Shape, Step } from "./script.js";
import { CALM, type Weather } from "./transport.js";

/** A fault and when it strikes. */
type FaultAt = { readonly atMs: number } & Fault;
type Draw = (random: Random, shape: Shape, durationMs: number) => FaultAt[];

const SECOND_MS = 1000;

/** Each kind by name, and how it strikes during a run. */
const KINDS: readonly (readonly [name: string, draw: Draw])[] = [
  ["loss", weather((random) => ({ lossRate: pick(random, [0.01, 0.05, 0.3]) }))],
  ["duplication", weather((random) => ({ duplicateRate: pick(random, [0.05, 0.5]) }))],
  ["delay", weather((random) => ({ delayMsMax: pick(random, [5, 20, 50, 400]) }))],
  ["isolated node", cuts((random, nodes) => both([below(random, nodes)], nodes))],
  [
    "halves",
    cuts((random, nodes) => both(shuffledNodes(random, nodes).slice(0, between(random, 1, nodes - 1)), nodes)),
  ],
  [
    "one-way cut",
    cuts((random, nodes) => oneWay(shuffledNodes(random, nodes).slice(0, between(random, 1, nodes - 1)), nodes)),
  ],
  ["ring", cuts((_random, nodes) => ring(nodes))],
  [
    "crash",
    (random, shape, durationMs) => each(random, durationMs, 4 * SECOND_MS, (atMs) => crash(random, shape, atMs)),
  ],
  ["wipe", (random, shape, durationMs) => each(random, durationMs, 6 * SECOND_MS, (atMs) => wipe(random, shape, atMs))],
  [
    "pause",
    (random, shape, durationMs) => each(random, durationMs, 3 * SECOND_MS, (atMs) => pause(random, shape, atMs)),
  ],
  [
    "gray node",
    (random, shape, durationMs) => each(random, durationMs, 5 * SECOND_MS, (atMs) => gray(random, shape, atMs)),
  ],
  [
    "clock jump",
    (random, shape, durationMs) => each(random, durationMs, 5 * SECOND_MS, (atMs) => jump(random, shape, atMs)),
  ],
  [
    "failing disk",
    (random, shape, durationMs) => each(random, durationMs, 4 * SECOND_MS, (atMs) => disk(random, shape, atMs)),
  ],
  ["damage", damage],
  ["rolling restart", rolling],
  // Bursts of operations; see swarm.ts.
  ["overload", () => []],
];

export const FAULT_KINDS: readonly string[] = KINDS.map(([name]) => name);

/** Each kind with this chance. */
export function drawFaults(
  random: Random,
  shape: Shape,
  durationMs: number,
  chance: number,
): { swarm: string[]; faults: Step[] } {
  const isPossible = (name: string, all: readonly string[]) => {
    // A wiped node and a damaged one may together be all that held a row; and so may a damaged one alone.
    if (name === "damage") return shape.replication !== 1 && !all.includes("wipe");
    return name !== "clock jump" || !isForgetful(shape);
  };
  const happened = KINDS.filter(() => happens(random, chance));
  const names = happened.map(([name]) => name);
  const enabled = happened.filter(([name]) => isPossible(name, names));
  const drawn = enabled.flatMap(([, draw]) => draw(random, shape, durationMs));
  const faults = drawn.map(({ atMs, ...fault }): Step => ({ atMs, deed: { fault: fault as Fault } }));
  return { swarm: enabled.map(([name]) => name), faults };
}

/** Strikes now and then, with so long between them on average. */
function each(random: Random, durationMs: number, gapMs: number, strike: (atMs: number) => FaultAt[]): FaultAt[] {
  const steps: FaultAt[] = [];
  for (let atMs = gapMs * fraction(random); atMs < durationMs; atMs += 2 * gapMs * fraction(random)) {
    steps.push(...strike(atMs));
  }
  return steps;
}

/** The weather changes a few times; between storms it is calm. */
function weather(storm: (random: Random) => Partial<Weather>): Draw {
  return (random, _shape, durationMs) =>
    each(random, durationMs, 8 * SECOND_MS, (atMs) => [
      { atMs, kind: "weather", weather: { ...CALM, ...storm(random) } },
      ...(happens(random, 0.5)
        ? [{ atMs: atMs + between(random, 1, 6) * SECOND_MS, kind: "weather" as const, weather: CALM }]
        : []),
    ]);
}

type Cut = Pick<Extract<Fault, { kind: "cut" }>, "from" | "to">;

/** Cuts that heal after a while; at times they flap. */
function cuts(cut: (random: Random, nodes: number) => Cut[]): Draw {
  return (random, { nodes }, durationMs) =>
    each(random, durationMs, 6 * SECOND_MS, (atMs) => {
      const links = cut(random, nodes);
      const times = happens(random, 0.2) ? 5 : 1;
      const lengthMs = between(random, 100, times === 1 ? 8 * SECOND_MS : 600);
      return Array.from({ length: times }, (_, time) => {
        const fromMs = atMs + 2 * time * lengthMs;
        return [
          ...links.map((link): FaultAt => ({ atMs: fromMs, kind: "cut", ...link })),
          { atMs: fromMs + lengthMs, kind: "heal" } as const,
        ];
      }).flat();
    });
}

function both(side: readonly number[], nodes: number): Cut[] {
  const other = others(side, nodes);
  return [
    { from: side, to: other },
    { from: other, to: side },
  ];
}

function oneWay(side: readonly number[], nodes: number): Cut[] {
  return [{ from: side, to: others(side, nodes) }];
}

/** Each hears its two neighbours and nobody else. */
function ring(nodes: number): Cut[] {
  const far = (a: number, b: number) => a !== b && (a + 1) % nodes !== b && (b + 1) % nodes !== a;
  const all = Array.from({ length: nodes }, (_, node) => node);
  return all.map((node) => ({ from: [node], to: all.filter((other) => far(node, other)) }));
}

function others(side: readonly number[], nodes: number): number[] {
  return Array.from({ length: nodes }, (_, node) => node).filter((node) => !side.includes(node));
}

function shuffledNodes(random: Random, nodes: number): number[] {
  return shuffled(
    random,
    Array.from({ length: nodes }, (_, node) => node),
  );
}

function crash(random: Random, { nodes }: Shape, atMs: number): FaultAt[] {
  const node = below(random, nodes);
  const tail = pick(random, ["lost", "kept"] as const);
  const backMs = atMs + pick(random, [1, 100, 3000, 8000]) * fraction(random);
  return [
    { atMs, kind: "crash", node, tail, reboot: happens(random, 0.3) },
    { atMs: backMs, kind: "start", node },
  ];
}

function wipe(random: Random, { nodes }: Shape, atMs: number): FaultAt[] {
  const node = below(random, nodes);
  return [
    { atMs, kind: "wipe", node },
    { atMs: atMs + pick(random, [1, 50, 3000]) * fraction(random), kind: "start", node },
  ];
}

function pause(random: Random, { nodes }: Shape, atMs: number): FaultAt[] {
  const node = below(random, nodes);
  const lengthMs = pick(random, [100, 1000, 5000, 20_000]) * fraction(random);
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
  return [{ atMs, kind: "jump", node: below(random, nodes), byMs: between(random, -4000, 4000) }];
}

function disk(random: Random, { nodes }: Shape, atMs: number): FaultAt[] {
  const node = below(random, nodes);
  const error = pick(random, ["full", "io"] as const);
  return [
    { atMs, kind: "disk", node, groups: between(random, 1, 20), error },
    { atMs: atMs + between(random, 100, 3000), kind: "disk", node, groups: 0, error },
  ];
}

/** One node's disk rots: whatever it loses, the other owners still have. */
function damage(random: Random, { nodes }: Shape, durationMs: number): FaultAt[] {
  const node = below(random, nodes);
  return each(random, durationMs, SECOND_MS, (atMs) => [
    { atMs, kind: pick(random, ["unreadable", "flip"] as const), node, pick: random.u32() },
  ]);
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
