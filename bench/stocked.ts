/**
 * Stores with many rows, made without a client, and the traffic of anti-entropy between them.
 */
import { bytesToMapKey } from "../src/base/bytes.js";
import { tokenOf } from "../src/base/hash.js";
import { DEFAULT_LIMITS } from "../src/config.js";
import { register } from "../src/lattice/register.js";
import type { NodeId, Row, Transport } from "../src/ports.js";
import { openStorage } from "../src/real/storage.js";
import { encodeRecord, encodeRow, orderedToken } from "../src/replica/rows.js";
import { SimCluster } from "../src/sim/cluster.js";
import { kindByte } from "../src/wire/codec.js";

const VALUE_BYTES = 100;
/** Old enough to be no write under way, young enough to be no dead one. */
const AGE_MS = 60_000;
const BATCH_ROWS = 512;

/** Rows as a client at one node would have written them a minute before `wallMs`: the same for the same time. */
export function* rowsOf(keys: number, wallMs: number): Generator<Row> {
  const value = new Uint8Array(VALUE_BYTES).fill(118);
  for (let index = 0; index < keys; index++) {
    const stamp = { timeUs: (wallMs - AGE_MS) * 1000 + index, actor: 1n };
    const state = { stamp, tombstone: false, contentType: "", value, expiresAtMs: undefined };
    const key = Buffer.from(`key ${index}`);
    const token = orderedToken(tokenOf(key));
    const row = encodeRow({ placement: 0, token, bucket: "b", key, sort: new Uint8Array(0) });
    yield { key: row, value: encodeRecord(row, register.encode(state)) };
  }
}

/** Puts rows into the store of a node that does not run. */
export async function fillFolder(dir: string, rows: Iterable<Row>): Promise<void> {
  const storage = openStorage({ dir, durability: "os", limits: DEFAULT_LIMITS });
  let batch: Row[] = [];
  const commit = () => {
    const full = batch;
    batch = [];
    return new Promise<void>((resolve, reject) => {
      storage.commit(full, (error) => (error === undefined ? resolve() : reject(new Error(error.detail))));
      storage.release();
    });
  };
  for (const row of rows) if (batch.push(row) === BATCH_ROWS) await commit();
  await commit();
  await new Promise<void>((resolve) => storage.close(resolve));
}

/** A cluster that does not run yet, each node with all rows, but the last lacks some. */
export function simulated(nodes: number, keys: number, differing: number, meter: SyncMeter): SimCluster {
  const cluster = new SimCluster({ seed: "anti-entropy", nodes, partitions: 64 });
  meter.listenTo(cluster);
  const every = Math.max(1, Math.floor(keys / Math.max(1, differing)));
  let index = 0;
  for (const row of rowsOf(keys, cluster.clock.nodeClock({}).wallMs())) {
    const isLacking = differing > 0 && index % every === 0 && index / every < differing;
    const write = new Map([[bytesToMapKey(row.key), row]]);
    for (const id of cluster.ids) if (!isLacking || id !== cluster.ids.at(-1)) cluster.disk(id).write(write);
    index++;
  }
  return cluster;
}

const COMPARING = ["sync-shared", "sync-shared-reply", "sync-blocks", "sync-blocks-reply"] as const;
const MOVING = ["read", "read-reply", "merge", "merge-reply"] as const;
/** Before the kind: the question's number, the layout's version, the time that is left; see wire/rpc.ts. */
const KIND_OFFSET = 12;

interface Traffic {
  messages: number;
  bytes: number;
}

/** Counts what a simulated cluster sends for anti-entropy; it must have no clients. */
export class SyncMeter {
  comparing: Traffic = { messages: 0, bytes: 0 };
  moving: Traffic = { messages: 0, bytes: 0 };

  reset(): void {
    this.comparing = { messages: 0, bytes: 0 };
    this.moving = { messages: 0, bytes: 0 };
  }

  listenTo(cluster: SimCluster): void {
    const { network } = cluster;
    const portOf = network.port.bind(network);
    network.port = (node: NodeId): Transport => {
      const port = portOf(node);
      const send = port.send.bind(port);
      port.send = (to, bytes, lane) => {
        this.count(bytes);
        send(to, bytes, lane);
      };
      return port;
    };
  }

  private count(bytes: Uint8Array): void {
    const isOf = (kinds: readonly Parameters<typeof kindByte>[0][]) =>
      kinds.some((kind) => kindByte(kind) === bytes[KIND_OFFSET]);
    const traffic = isOf(COMPARING) ? this.comparing : isOf(MOVING) ? this.moving : undefined;
    if (traffic === undefined) return;
    traffic.messages++;
    traffic.bytes += bytes.length;
  }
}
