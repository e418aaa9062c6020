/**
 * All nodes that a client may ask, and the ring over them once it is learned.
 *
 * Until then, and if it cannot be learned, the given nodes are asked in turn.
 * They stay behind the learned ones for good: what a cluster says of its own
 * addresses may not hold where the client runs.
 */
import { authority } from "../base/authority.js";
import { choose } from "./choose.js";
import { Endpoint, STANDING } from "./endpoint.js";
import type { ClientLimits } from "./limits.js";
import { type ClusterFacts, type NodeFacts, type RingFacts, RingView } from "./ring-view.js";
import type { ClientWorld } from "./world.js";

/** So many times what the others usually take is the longest that a node may take. */
const NEIGHBOURS_FACTOR = 3;
const MEDIAN_LIFE_MS = 50;

export class Fleet {
  private byUrl = new Map<string, Endpoint>();
  private readonly given: readonly Endpoint[];
  private all: readonly Endpoint[];
  private ring: RingView<Endpoint> | undefined;
  /** Why this client can ask nobody, whatever it is asked for. */
  misfit: string | undefined;
  private turn = 0;
  private medianMs = Number.POSITIVE_INFINITY;
  private medianUntilMs = 0;

  constructor(
    urls: readonly string[],
    private readonly world: ClientWorld,
    private readonly limits: ClientLimits,
    /** Nobody elsewhere is asked, once it is known who is elsewhere. */
    private readonly datacenter?: string,
  ) {
    this.given = urls.map((url) => this.endpointAt(url, this.byUrl));
    this.all = this.given;
  }

  /** The addresses by which to ask about the cluster, the fittest first. */
  urlsToAsk(): string[] {
    const nowMs = this.world.nowMs();
    const start = this.turn++;
    const rotated = this.all.map((_, step) => this.all[(start + step) % this.all.length] as Endpoint);
    return rotated.sort((a, b) => a.standing(nowMs) - b.standing(nowMs)).map(({ url }) => url);
  }

  /** Takes over what was learned. Throws, and changes nothing, when the two answers do not fit together. */
  learn(cluster: ClusterFacts, ring: RingFacts): void {
    const near = cluster.nodes.filter((node) => this.isNear(node));
    const far = new Set(cluster.nodes.flatMap((node) => (this.isNear(node) ? [] : urlOf(node.host, node.http))));
    const byUrl = new Map(this.byUrl);
    const learned = new Map(near.map(({ node, host, http }) => [node, this.endpointAt(urlOf(host, http), byUrl)]));
    this.ring = new RingView(cluster, ring, (id) => learned.get(id));
    this.byUrl = byUrl;
    this.misfit = near.length === 0 ? misfitOf(this.datacenter, cluster.nodes) : undefined;
    const fit = this.given.filter(({ url }) => !far.has(url));
    // To learn of a change, whoever is there is asked.
    this.all = near.length === 0 ? this.given : [...new Set([...learned.values(), ...fit])];
    for (const endpoint of this.byUrl.values()) {
      if (this.all.includes(endpoint) || this.given.includes(endpoint)) continue;
      this.byUrl.delete(endpoint.url);
      endpoint.retire();
    }
  }

  /** In preference order; none while the ring is unknown. */
  ownersOf(bucket: string, key: string): readonly Endpoint[] {
    return this.ring?.ownersOf(bucket, key) ?? [];
  }

  /** Undefined while the cluster is unknown. */
  typeOf(bucket: string): string | undefined {
    return this.ring?.typeOf(bucket);
  }

  /** Whom to ask next. When all were tried they are tried again, the least bad first. */
  choose(owners: readonly Endpoint[], tried: readonly Endpoint[]): Endpoint {
    const nowMs = this.world.nowMs();
    const start = owners.length === 0 ? this.turn++ : this.turn;
    return (choose(owners, this.all, start, tried, nowMs) ?? choose(owners, this.all, start, [], nowMs)) as Endpoint;
  }

  /** A node that is fit to answer in place of another; undefined when there is none. */
  spare(owners: readonly Endpoint[], tried: readonly Endpoint[]): Endpoint | undefined {
    const nowMs = this.world.nowMs();
    const found = choose(owners, this.all, this.turn, tried, nowMs);
    return found?.standing(nowMs) === STANDING.ready ? found : undefined;
  }

  /** How long a read waits for this node before another is asked: no longer than three times what is usual elsewhere. */
  patienceMs(endpoint: Endpoint, nowMs: number): number {
    if (nowMs >= this.medianUntilMs) {
      const usual = this.all.flatMap((each) => each.usual(nowMs) ?? []).sort((a, b) => a - b);
      this.medianMs = usual[(usual.length - 1) >> 1] ?? Number.POSITIVE_INFINITY;
      this.medianUntilMs = nowMs + MEDIAN_LIFE_MS;
    }
    const elsewhereMs = NEIGHBOURS_FACTOR * this.medianMs;
    return Math.max(this.limits.hedgeMsMin, Math.min(endpoint.lateAfterMs(nowMs), elsewhereMs));
  }

  /** Finds out in the background who is back. */
  probe(nowMs: number): void {
    for (const endpoint of this.all) endpoint.probe(nowMs);
  }

  destroy(): void {
    for (const endpoint of this.byUrl.values()) endpoint.destroy();
  }

  private isNear({ datacenter }: NodeFacts): boolean {
    return this.datacenter === undefined || datacenter === this.datacenter;
  }

  private endpointAt(url: string, byUrl: Map<string, Endpoint>): Endpoint {
    const known = byUrl.get(url);
    if (known !== undefined) return known;
    const endpoint = new Endpoint(url, this.world, this.limits);
    byUrl.set(url, endpoint);
    return endpoint;
  }
}

function misfitOf(datacenter: string | undefined, nodes: readonly NodeFacts[]): string {
  const names = [...new Set(nodes.flatMap((node) => node.datacenter ?? []))];
  return `no node is in datacenter ${datacenter}; there are ${names.join(", ")}`;
}

function urlOf(host: string, port: number): string {
  return new URL(`http://${authority(host, port)}`).origin;
}
