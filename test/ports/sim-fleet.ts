/** Members of a simulated network, in virtual time; each may have another body of the port before it. */
import assert from "node:assert/strict";
import type { Limits } from "../../src/config.js";
import type { NodeId, Transport } from "../../src/ports.js";
import { SimClock } from "../../src/sim/clock.js";
import { SimRandom } from "../../src/sim/random.js";
import { CALM, SimNetwork } from "../../src/sim/transport.js";
import { laneBytes } from "../../src/wire/lane-queue.js";
import type { Fleet } from "./transport.suite.js";

export type Wrap = (inner: Transport, clock: SimClock, id: NodeId) => Transport;

export async function simulatedFleet(
  ids: readonly NodeId[],
  limits: Limits,
  wrap: Wrap = (inner) => inner,
): Promise<Fleet> {
  const clock = new SimClock();
  const network = new SimNetwork(clock, new SimRandom("fleet"));
  network.weather = { ...CALM, togetherRate: 1 };
  network.laneBytes = laneBytes(limits);
  const attach = (id: NodeId) => wrap(network.port(id), clock, id);
  const ports = new Map<NodeId, Transport>(ids.map((id) => [id, attach(id)]));
  return {
    transport: (id) => ports.get(id) as Transport,
    until: async (condition) => {
      while (!condition()) assert.ok(clock.step(), `nothing more happens: ${condition}`);
    },
    crash: async (id) => network.detach(id),
    restart: async (id) => void ports.set(id, attach(id)),
    close: async () => {},
  };
}
