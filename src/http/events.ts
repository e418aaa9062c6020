/**
 * `GET /v1/events`: what happens at this node, live, as Server-Sent Events
 * (WHATWG HTML 9.2): a `hello` with all members, a `member` event when one
 * changes, a `stats` event each second, a `bye` when the node stops.
 *
 * A listener costs memory and must never cost more: their number has a limit,
 * whoever reads too slowly is dropped, and nothing is sampled while nobody
 * listens. Nothing is replayed to one who comes back: its new `hello` says all.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { MemberChange } from "../membership/peers.js";
import type { NodeId } from "../ports.js";
import { splitTarget } from "./address.js";
import { DRAINING } from "./drain.js";
import type { Edge, Scraped } from "./edge.js";
import { badRequest, overloaded, type Problem } from "./problem.js";
import { refuse } from "./respond.js";
import { Stats, type StatsEvent } from "./stats.js";
import type { NodeState } from "./store.js";

/** The first event of each stream. */
export interface HelloEvent {
  readonly at: number;
  readonly node: NodeId;
  readonly cluster: string;
  readonly version: string;
  readonly layout: { readonly version: number; readonly digest: string };
  /** `rebuilding` is how many of its partitions still rebuild; left out while not known here. */
  readonly members: readonly { readonly node: NodeId; readonly state: NodeState; readonly rebuilding?: number }[];
}

export interface MemberEvent {
  readonly at: number;
  /** Who says so: the node whose stream this is. */
  readonly by: NodeId;
  readonly node: NodeId;
  readonly change: MemberChange;
}

/** The last event of a stream that the node ends; without one, it was cut. */
export interface ByeEvent {
  readonly at: number;
  readonly node: NodeId;
  readonly reason: "stopping";
}

/** Every event by its name. */
export interface EventData {
  readonly hello: HelloEvent;
  readonly member: MemberEvent;
  readonly stats: StatsEvent;
  readonly bye: ByeEvent;
}

interface Listener {
  readonly response: ServerResponse;
  readonly wantsStats: boolean;
}

type Stop = () => undefined;

/** How long a client should wait before it connects anew. */
const RETRY_MS = 1000;
const HEARTBEAT = ":\n\n";
const HEADERS = [
  ...["Content-Type", "text/event-stream", "Cache-Control", "no-store", "X-Content-Type-Options", "nosniff"],
  // A proxy that collects before it passes on would hold events back.
  ...["X-Accel-Buffering", "no"],
];

export class Events {
  private readonly listeners = new Set<Listener>();
  private readonly stats: Stats;
  private stopSampling: Stop | undefined;
  private stopBeating: Stop | undefined;
  private lastId = 0;

  constructor(
    private readonly edge: Edge,
    meter: Scraped,
  ) {
    this.stats = new Stats(edge, meter);
    edge.store.followMembers((node, change) => {
      if (this.listeners.size > 0) this.tell("member", { at: edge.wallMs(), by: edge.store.self, node, change });
    });
  }

  /** Answers a GET with a stream that lasts, and a HEAD with its head. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    if (response.destroyed) return;
    const wantsStats = parseStats(request.url as string);
    if (typeof wantsStats !== "boolean") return refuse(this.edge, request, response, wantsStats);
    const refusal = this.refusal();
    if (refusal !== undefined) return refuse(this.edge, request, response, refusal);
    // The stream is the last on its connection, so that the connection ends with it.
    response.shouldKeepAlive = false;
    response.writeHead(200, HEADERS);
    if (request.method === "HEAD") response.end();
    else this.admit({ response, wantsStats });
  }

  /** Says goodbye to all. Whoever has not even read what came before is cut off. */
  close(): void {
    const { store, wallMs } = this.edge;
    const bye = this.block("bye", { at: wallMs(), node: store.self, reason: "stopping" });
    for (const { response } of this.listeners) {
      if (response.writableLength > 0) response.destroy();
      else response.end(bye);
    }
  }

  private refusal(): Problem | undefined {
    if (this.edge.draining) return DRAINING;
    const { eventListenersMax } = this.edge.limits;
    if (this.listeners.size < eventListenersMax) return undefined;
    return overloaded(`${this.listeners.size} others listen to the events (eventListenersMax)`);
  }

  private admit(listener: Listener): void {
    this.listeners.add(listener);
    this.onCount();
    listener.response.on("close", () => {
      this.listeners.delete(listener);
      this.onCount();
    });
    this.send(listener, `retry: ${RETRY_MS}\n${this.block("hello", this.hello())}`);
  }

  /** What runs by the clock runs while somebody needs it. */
  private onCount(): void {
    this.edge.meter.gauge("murmur_event_listeners", this.listeners.size);
    const isHeard = this.listeners.size > 0;
    const isSampled = [...this.listeners].some(({ wantsStats }) => wantsStats);
    if (isHeard !== (this.stopBeating !== undefined)) this.stopBeating = isHeard ? this.beat() : this.stopBeating?.();
    if (isSampled !== (this.stopSampling !== undefined)) {
      this.stopSampling = isSampled ? this.sample() : this.stopSampling?.();
    }
  }

  private beat(): Stop {
    const beat = () => {
      for (const listener of this.listeners) this.send(listener, HEARTBEAT);
    };
    const timer = setInterval(beat, this.edge.limits.eventHeartbeatMs);
    return () => {
      clearInterval(timer);
    };
  }

  private sample(): Stop {
    this.stats.start();
    const timer = setInterval(() => this.tell("stats", this.stats.take()), this.edge.limits.statsIntervalMs);
    return () => {
      clearInterval(timer);
      this.stats.stop();
    };
  }

  private tell<Name extends keyof EventData>(name: Name, data: EventData[Name]): void {
    this.lastId++;
    const block = this.block(name, data);
    for (const listener of this.listeners) if (name !== "stats" || listener.wantsStats) this.send(listener, block);
  }

  private block<Name extends keyof EventData>(name: Name, data: EventData[Name]): string {
    return `id: ${this.lastId}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
  }

  private send({ response }: Listener, text: string): void {
    if (response.writableEnded) return;
    if (response.writableLength > this.edge.limits.eventBytesPendingMax) {
      this.edge.meter.count("murmur_event_listeners_dropped_total");
      response.destroy();
    } else response.write(text);
  }

  private hello(): HelloEvent {
    const { store, wallMs } = this.edge;
    const { cluster, version, layout, nodes } = store.cluster();
    const members = nodes.map(({ node, state, rebuilding }) => ({
      ...{ node, state },
      ...(rebuilding === undefined ? {} : { rebuilding }),
    }));
    return { at: wallMs(), node: store.self, cluster, version, layout, members };
  }
}

/** Whether stats are wanted: the one parameter is `stats=never`. */
function parseStats(target: string): boolean | Problem {
  const { queryText } = splitTarget(target);
  if (queryText === "") return true;
  return queryText === "stats=never" ? false : badRequest("the stream of events takes no parameter but stats=never");
}
