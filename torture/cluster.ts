/**
 * A cluster to be tortured: real processes, real sockets with a proxy between
 * each pair, SQLite on the disk. Each node has a cluster file of its own, in
 * which the others are where its proxies listen.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { tokenOf } from "../src/base/hash.js";
import type { ClusterConfig, Durability } from "../src/cluster-config.js";
import { computeLayout, isRefusal, type Layout, partitionOf } from "../src/membership/layout.js";
import { layoutSpecOf } from "../src/membership/ring.js";
import { loadClusterFile } from "../src/real/cluster-file.js";
import { MINTED_TYPES } from "../src/sim/script.js";
import { freePorts } from "../src/testing/free-ports.js";
import { Member } from "./member.js";
import { Network } from "./network.js";

export interface ClusterShape {
  readonly nodes: number;
  readonly replication: number;
  readonly durability: Durability;
}

/** Of registers. */
export const BUCKET = "torture";
/** Of the other types: each has one of its name. */
const BUCKETS = Object.fromEntries(MINTED_TYPES.map((type) => [type, { type }]));
const PARTITIONS = 64;
const LOOK_AGAIN_MS = 50;
/** Sooner than in production, so that a minute holds more faults; the mechanisms are the same. */
const LIMITS = { dialRetryMsMax: 300, syncIntervalMs: 1000, settleMs: 500 };

export class TorturedCluster {
  readonly ids: readonly string[];
  readonly members: ReadonlyMap<string, Member>;
  readonly violations: string[] = [];

  private constructor(
    readonly folder: string,
    readonly shape: ClusterShape,
    readonly config: ClusterConfig,
    readonly layout: Layout,
    readonly network: Network,
  ) {
    this.ids = config.nodes.map(({ id }) => id);
    const onCrash = (how: string) => this.violations.push(how);
    this.members = new Map(
      config.nodes.map(({ id, host, http }) => [id, new Member(id, `http://${host}:${http}`, folder, onCrash)]),
    );
  }

  static async create(shape: ClusterShape): Promise<TorturedCluster> {
    const folder = mkdtempSync(join(tmpdir(), "murmur-torture-"));
    const ids = Array.from({ length: shape.nodes }, (_, index) => `n${index + 1}`);
    const ports = await freePorts(2 * shape.nodes);
    const peerPorts = new Map(ids.map((id, index) => [id, ports[2 * index + 1] as number]));
    const network = await Network.create(ids, peerPorts);
    for (const self of ids) {
      const nodes = ids.map((id, index) => {
        const peer = id === self ? peerPorts.get(id) : network.dialPort(self, id);
        return { id, host: "127.0.0.1", http: ports[2 * index], peer };
      });
      const { replication, durability } = shape;
      const head = {
        cluster: "torture",
        replication,
        partitions: PARTITIONS,
        durability,
        limits: LIMITS,
        buckets: BUCKETS,
      };
      // JSON is YAML.
      writeFileSync(join(folder, `${self}.yaml`), JSON.stringify({ ...head, data: join(folder, "data"), nodes }));
    }
    const config = loadClusterFile(join(folder, "n1.yaml"));
    if (Array.isArray(config)) throw new Error(config.map(({ key, sentence }) => `${key}: ${sentence}`).join("\n"));
    const layout = computeLayout(undefined, layoutSpecOf(config));
    if (isRefusal(layout)) throw new Error(layout.refusal);
    return new TorturedCluster(folder, shape, config, layout, network);
  }

  member(id: string): Member {
    return this.members.get(id) as Member;
  }

  /** Who keeps a key. */
  ownersOf(key: string): readonly string[] {
    const token = tokenOf(Buffer.from(key));
    return this.layout.owners[0]?.[partitionOf(PARTITIONS, token)] ?? [];
  }

  /** Of these, how many can answer questions that `from` coordinates. */
  reachable(from: string, owners: readonly string[]): number {
    if (!this.member(from).isRunning) return 0;
    return owners.filter((owner) => this.member(owner).isRunning && this.network.isOpen(from, owner)).length;
  }

  /** Starts a node that must be able to. */
  async start(id: string): Promise<void> {
    const reason = await this.member(id).start();
    if (reason !== undefined) this.violations.push(`${id} cannot start: ${reason}`);
  }

  /** Waits until all nodes run, see each other and vote for all they own. Comes back with what is missing. */
  async whole(deadlineMs: number): Promise<string | undefined> {
    const untilMs = performance.now() + deadlineMs;
    for (;;) {
      const lacks = (await Promise.all(this.ids.map((id) => this.lackOf(id)))).find((lack) => lack !== undefined);
      if (lacks === undefined || this.violations.length > 0) return undefined;
      if (performance.now() > untilMs) return `${lacks} after ${deadlineMs} ms`;
      await sleep(LOOK_AGAIN_MS);
    }
  }

  async close(keepsFolder: boolean): Promise<void> {
    await Promise.all([...this.members.values()].map((member) => member.kill()));
    await this.network.close();
    if (!keepsFolder) rmSync(this.folder, { recursive: true, force: true });
  }

  private async lackOf(id: string): Promise<string | undefined> {
    const status = await getJson<{ refusing?: string; nodes: { node: string; state: string; rebuilding?: number }[] }>(
      `${this.member(id).url}/v1/cluster`,
    );
    if (status === undefined) return `${id} does not answer`;
    const lacking = status.nodes.find(({ state, rebuilding }) => state !== "up" || rebuilding !== 0);
    return lacking === undefined ? undefined : `${id} says ${JSON.stringify(lacking)}`;
  }
}

const STATUS_MS_MAX = 2000;

/** Undefined when nobody answers. */
export function getJson<Result>(url: string): Promise<Result | undefined> {
  return new Promise((resolve) => {
    const asked = get(url, { timeout: STATUS_MS_MAX }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("close", () => resolve(response.complete ? JSON.parse(text) : undefined));
    });
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => resolve(undefined));
  });
}
