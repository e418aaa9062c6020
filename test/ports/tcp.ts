/** Members on real sockets of this machine, for tests: any free port, short waits, everything they say kept. */
import assert from "node:assert/strict";
import { DEFAULT_LIMITS, type Limits } from "../../src/config.js";
import type { NodeId } from "../../src/ports.js";
import { RealClock } from "../../src/real/clock.js";
import type { Refusal } from "../../src/real/facts.js";
import { RealRandom } from "../../src/real/random.js";
import { TcpTransport, type TcpTransportOptions } from "../../src/real/transport.js";
import { SimMeter } from "../../src/sim/meter.js";
import { until } from "./until.js";

export const HOST = "127.0.0.1";

export const FACTS: ReadonlyArray<readonly [string, string]> = [
  ["cluster", "murmur-demo"],
  ["partitions", "1024"],
  ["layout", "abc"],
];

/** Quick where a test waits for it. */
export const TEST_LIMITS: Limits = {
  ...DEFAULT_LIMITS,
  dialRetryMsMin: 2,
  dialRetryMsMax: 20,
  handshakeVerdictMs: 150,
};

export interface Warning {
  readonly sentence: string;
  readonly facts: Record<string, unknown>;
}

export interface Member {
  readonly id: NodeId;
  readonly port: number;
  readonly transport: TcpTransport;
  readonly received: Array<{ readonly from: NodeId; readonly frames: readonly Uint8Array[] }>;
  readonly warnings: Warning[];
  readonly verdicts: Refusal[];
  warnedOf(field: string): Warning | undefined;
}

export function options(id: NodeId, changes: Partial<TcpTransportOptions> = {}): TcpTransportOptions {
  return {
    self: id,
    bind: HOST,
    port: 0,
    peers: [],
    facts: FACTS,
    secret: undefined,
    limits: TEST_LIMITS,
    clock: new RealClock(),
    random: new RealRandom(),
    log: { info: () => {}, warn: () => {} },
    meter: new SimMeter(),
    onVerdict: () => {},
    ...changes,
  };
}

/** Closed after each test, however it ended: an open socket would keep the run from ending. */
const running = new Set<TcpTransport>();

export function listen(id: NodeId, changes: Partial<TcpTransportOptions> = {}): Promise<Member> {
  const warnings: Warning[] = [];
  const verdicts: Refusal[] = [];
  const received: Member["received"] = [];
  const log = { info: () => {}, warn: (sentence: string, facts = {}) => void warnings.push({ sentence, facts }) };
  return new Promise((resolve, reject) => {
    const all = options(id, { log, onVerdict: (refusal) => void verdicts.push(refusal), ...changes });
    const transport = TcpTransport.listen(all, (error) => {
      if (error !== undefined) return reject(error);
      running.add(transport);
      transport.onReceive((from, frames) => received.push({ from, frames }));
      const warnedOf = (field: string): Warning | undefined => warnings.find(({ facts }) => facts.field === field);
      resolve({ id, port: transport.port, transport, received, warnings, verdicts, warnedOf });
    });
  });
}

/** Tells every member where the others are. */
export function wire(members: readonly Member[]): void {
  const peers = members.map(({ id, port }) => ({ id, host: HOST, port }));
  for (const { transport } of members) transport.setPeers(peers);
}

export function isConnected(member: Member, to: NodeId): boolean {
  return member.transport.statistics().peersConnected.get(to) === true;
}

export async function connected(members: readonly Member[]): Promise<void> {
  await until(() => members.every((one) => members.every((two) => one === two || isConnected(one, two.id))));
}

/** Members of these names that can all send to each other. */
export async function cluster(ids: readonly NodeId[], changes: Partial<TcpTransportOptions> = {}): Promise<Member[]> {
  const members = await Promise.all(ids.map((id) => listen(id, changes)));
  wire(members);
  await connected(members);
  return members;
}

export async function close(...members: readonly Member[]): Promise<void> {
  await Promise.all(members.map(({ transport }) => stop(transport)));
}

export async function closeAll(): Promise<void> {
  await Promise.all([...running].map(stop));
}

function stop(transport: TcpTransport): Promise<void> {
  running.delete(transport);
  return new Promise((resolve) => transport.close(resolve));
}

/** Sends a frame and sees it arrive: the connection works. */
export async function exchange(from: Member, to: Member): Promise<void> {
  const before = to.received.length;
  from.transport.send(to.id, Buffer.from("are you there?"));
  from.transport.release();
  await until(() => to.received.length > before);
  assert.equal(to.received.at(-1)?.from, from.id);
}
