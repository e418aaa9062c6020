/** Datacenters of three nodes each on virtual time, n1 in the first, n2 in the second and so on in turn, and what crosses between them. */
import { Reader, utf8 } from "../../src/base/bytes.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import type { Level } from "../../src/config.js";
import type { Failure, ReadOutcome, WriteOutcome } from "../../src/coordinator/outcome.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { SimCluster, type SimClusterOptions } from "../../src/sim/cluster.js";
import { readMessage } from "../../src/wire/codec.js";
import type { Message } from "../../src/wire/messages.js";

export const KEY: Uint8Array = utf8("ada");
const NODES_EACH = 3;
/** By then everybody has compared its clock with everybody's. */
const SETTLE_MS = 3000;

export function datacenters(count: number, seed: string, options: Partial<SimClusterOptions> = {}): SimCluster {
  const place = (index: number) => ({ datacenter: `dc${1 + (index % count)}`, rack: `r${index}` });
  const names = Array.from({ length: count }, (_, index) => `dc${index + 1}`);
  const replication = Object.fromEntries(names.map((name) => [name, NODES_EACH]));
  const cluster = new SimCluster({ seed, nodes: count * NODES_EACH, place, replication, ...options });
  cluster.startAll(SETTLE_MS);
  return cluster;
}

interface Wish {
  readonly key?: string;
  readonly deadlineMs?: number;
}

export function write(cluster: SimCluster, at: string, value: string, level: Level, wish: Wish = {}): WriteOutcome {
  const op = { kind: "put", contentType: "", value: utf8(value), expiresAtMs: undefined } as const;
  const { key, deadlineMs = 1000 } = wish;
  return cluster.write(at, {
    ...{ bucket: "b", key: key === undefined ? KEY : utf8(key), op, context: EMPTY_CONTEXT, level, deadlineMs },
  });
}

export function read(cluster: SimCluster, at: string, level: Level, mend = true): ReadOutcome {
  return cluster.read(at, { bucket: "b", key: KEY, level, deadlineMs: 1000, hedge: DEFAULT_HEDGE, mend });
}

/** "ok", or the failure's kind. */
export function put(cluster: SimCluster, at: string, value: string, level: Level, wish: Wish = {}): string {
  const outcome = write(cluster, at, value, level, wish);
  return outcome.ok ? "ok" : outcome.failure.kind;
}

/** The value, or the failure's kind. */
export function get(cluster: SimCluster, at: string, level: Level): string {
  const outcome = read(cluster, at, level);
  if (!outcome.ok) return outcome.failure.kind;
  return Buffer.from(outcome.view.contents[0]?.value ?? []).toString();
}

/** A failure's counts, as `received/required of alive`. */
export function countsOf(outcome: ReadOutcome | WriteOutcome): string {
  if (outcome.ok) return "ok";
  const { kind, received, required, alive }: Failure = outcome.failure;
  return `${kind} ${received}/${required} of ${alive}`;
}

const ID_BYTES = 4;

export interface Crossing {
  readonly from: string;
  readonly to: string;
  readonly frame: Uint8Array;
}

/** Every frame that leaves its datacenter from now on. */
export function watchCrossings(cluster: SimCluster): Crossing[] {
  const crossings: Crossing[] = [];
  const { network } = cluster;
  const depart = network.depart.bind(network);
  const datacenterOf = (node: string) => cluster.layout.members.find(({ id }) => id === node)?.datacenter;
  network.depart = (from, to, frames) => {
    const isFar = datacenterOf(from.node) !== datacenterOf(to);
    if (isFar) for (const frame of frames) crossings.push({ from: from.node, to, frame });
    depart(from, to, frames);
  };
  return crossings;
}

/** What a frame says, and how much longer its asker waits. */
export function messageIn({ frame }: Pick<Crossing, "frame">): { remainingMs: number; message: Message } {
  const reader = new Reader(frame);
  reader.raw(ID_BYTES);
  reader.u32();
  return { remainingMs: reader.u32(), message: readMessage(reader) };
}

/** How many frames of each kind crossed, but for those of upkeep, and the bytes of all of them. */
export function tallied(crossings: readonly Crossing[]): { frames: Record<string, number>; bytes: number } {
  const frames: Record<string, number> = {};
  let bytes = 0;
  for (const crossing of crossings) {
    const { kind } = messageIn(crossing).message;
    if (!OF_CLIENTS.has(kind)) continue;
    frames[kind] = (frames[kind] ?? 0) + 1;
    bytes += crossing.frame.length;
  }
  return { frames, bytes };
}

const OF_CLIENTS: ReadonlySet<Message["kind"]> = new Set([
  "read",
  "read-reply",
  "scan",
  "scan-reply",
  "relay",
  "merge",
  "merge-reply",
]);
