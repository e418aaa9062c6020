/**
 * Clusters of several datacenters: how many, how far apart, and when they lose sight of one another.
 */
import { below, between, happens, pick, type Random } from "../base/random.js";
import type { Fault, Shape, Step } from "./script.js";
import { apart, nodesOf } from "./swarm-cuts.js";
import { DATACENTER_CUT, type FaultAt, now, SECOND_MS } from "./swarm-faults.js";

const SPREAD_CHANCE = 0.5;
const NODES_MIN = 6;
/** One way, in milliseconds: buildings of one town, countries, oceans. */
const DISTANCES_MS = [1, 5, 40, 100];
/** With messages that hold little an exchange takes dozens of round trips, and to become one takes a minute from afar. */
const TIGHT_DISTANCE_MS_MAX = 5;
const REPLICAS_MAX = 3;

/** The same cluster, at times over two or three datacenters; node by node in turn, as the cluster places them. */
export function spread(random: Random, shape: Shape): Shape {
  if (shape.nodes < NODES_MIN || !happens(random, SPREAD_CHANCE)) return shape;
  const datacenters = pick(random, [2, 2, 3]);
  const drawnMs = pick(random, DISTANCES_MS);
  const distanceMs = shape.limits.syncBlocksMax === undefined ? drawnMs : Math.min(drawnMs, TIGHT_DISTANCE_MS_MAX);
  const replication: Record<string, number> = {};
  const isFull = happens(random, 0.5);
  for (let index = 0; index < datacenters; index++) {
    const most = Math.min(REPLICAS_MAX, Math.ceil((shape.nodes - index) / datacenters));
    replication[`dc${index + 1}`] = isFull ? most : between(random, 1, most);
  }
  return { ...shape, datacenters, distanceMs, replication };
}

/** At times one datacenter is cut off from the others for a while, or is heard by none of them. */
export function drawDatacenterCuts(random: Random, shape: Shape, durationMs: number, chance: number): Step[] {
  const { datacenters, nodes } = shape;
  if (datacenters === 1 || !happens(random, chance)) return [];
  const draw = now(6 * SECOND_MS, (_random, _shape, atMs): FaultAt[] => {
    const away = below(random, datacenters);
    const side = nodesOf(nodes).filter((node) => node % datacenters === away);
    const links = apart(side, nodes).slice(0, happens(random, 0.3) ? 1 : 2);
    return [
      ...links.map((link): FaultAt => ({ atMs, kind: "cut", ...link })),
      { atMs: atMs + between(random, 100, 8 * SECOND_MS), kind: "heal" },
    ];
  });
  return draw(random, shape, durationMs).map(
    ({ atMs, ...fault }): Step => ({ atMs, deed: { fault: fault as Fault, drawnFor: DATACENTER_CUT } }),
  );
}
