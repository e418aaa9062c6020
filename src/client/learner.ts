/**
 * Learns the cluster and its ring, in the background of the requests that need
 * it: at the first, now and then afterwards, and soon after something went
 * wrong, for that is when a cluster has changed. It has no timer of its own: a
 * client that is not used asks nothing.
 */
import { authority } from "../base/authority.js";
import { jitter } from "../base/random.js";
import type { Fleet } from "./fleet.js";
import type { ClientLimits } from "./limits.js";
import type { Rest } from "./rest.js";
import type { ClusterFacts, RingFacts } from "./ring-view.js";
import type { ClientWorld } from "./world.js";

/** Clients that started together should not come back together. */
const SPREAD = 0.2;

export class Learner {
  private dueMs = 0;
  private lastMs = Number.NEGATIVE_INFINITY;
  private isLearning = false;
  private readonly stop = new AbortController();
  /** What the ring was learned for. */
  private known: string | undefined;

  constructor(
    private readonly fleet: Fleet,
    private readonly rest: Rest,
    private readonly limits: ClientLimits,
    private readonly world: ClientWorld,
  ) {}

  /** With each request: starts to learn when it is time. */
  tick(nowMs: number): void {
    if (nowMs < this.dueMs || this.isLearning) return;
    this.isLearning = true;
    this.lastMs = nowMs;
    this.dueMs = nowMs + jitter(this.world.random, this.limits.refreshMs, SPREAD);
    this.learn().then(
      (isLearned) => {
        this.isLearning = false;
        if (!isLearned) this.hurry();
      },
      () => {
        this.isLearning = false;
        this.hurry();
      },
    );
  }

  /** The client is closed: what is under way ends here. */
  close(): void {
    this.stop.abort();
  }

  /** Something is not as it was: the next look comes as soon as it may. */
  hurry(): void {
    const soonestMs = this.lastMs + jitter(this.world.random, this.limits.refreshMsMin, SPREAD);
    this.dueMs = Math.min(this.dueMs, Math.max(soonestMs, this.world.nowMs()));
  }

  private async learn(): Promise<boolean> {
    for (const url of this.fleet.urlsToAsk()) {
      if (this.stop.signal.aborted) return false;
      try {
        const cluster = checkedCluster(await this.json(url, "/v1/cluster"));
        const known = fingerprint(cluster);
        if (known === this.known) return true;
        this.fleet.learn(cluster, checkedRing(await this.json(url, "/v1/ring")));
        this.known = known;
        return true;
      } catch {
        // The next one may know. If none does, the client goes on with the nodes it has.
      }
    }
    return false;
  }

  private async json(url: string, path: string): Promise<unknown> {
    const { refreshTimeoutMs, answerBytesMax } = this.limits;
    const question = { method: "GET", path, timeoutMs: refreshTimeoutMs, bytesMax: answerBytesMax } as const;
    const { status, body } = await this.rest.ask(url, question, this.stop.signal);
    if (status !== 200) throw new Error(`${path} answered ${status}`);
    return JSON.parse(new TextDecoder().decode(body));
  }
}

function checkedCluster(found: unknown): ClusterFacts {
  const cluster = found as ClusterFacts;
  const isSound =
    Array.isArray(cluster?.nodes) &&
    cluster.nodes.length > 0 &&
    cluster.nodes.every(
      ({ node, host, http }) => typeof node === "string" && URL.canParse(`http://${authority(String(host), http)}`),
    ) &&
    Array.isArray(cluster.buckets) &&
    typeof cluster.defaults?.type === "string" &&
    typeof cluster.layout?.digest === "string";
  if (!isSound) throw new Error("not the description of a cluster");
  return cluster;
}

/** Equal when nothing has changed that a client goes by. */
function fingerprint({ layout, nodes, buckets, defaults }: ClusterFacts): string {
  return JSON.stringify([layout.digest, nodes.map(({ node, host, http }) => [node, host, http]), buckets, defaults]);
}

function checkedRing(found: unknown): RingFacts {
  const ring = found as RingFacts;
  const isSound =
    Number.isSafeInteger(ring?.partitions) &&
    ring.partitions > 0 &&
    typeof ring.layout?.digest === "string" &&
    Array.isArray(ring.placements) &&
    ring.placements.every(({ owners }) => Array.isArray(owners) && owners.every(Array.isArray));
  if (!isSound) throw new Error("not a ring");
  return ring;
}
