/**
 * Nodes that speak the HTTP contract, hold their keys in one common Map, and
 * misbehave when told to. Each owns every key; which one comes first, the test says.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

export const CONTEXT = "AQ";

/** One request as it came. */
export interface Asked {
  readonly node: string;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

interface Kept {
  readonly value: Buffer;
  readonly contentType: string;
}

/** Takes a request about a key over from the node; false: the node answers itself. */
type Instead = (asked: Asked, response: ServerResponse) => boolean;

export class FakeNode {
  instead: Instead = () => false;
  /** Of requests about keys alone. */
  readonly asked: Asked[] = [];
  readonly sockets = new Set<Socket>();
  private readonly server: Server;

  constructor(
    readonly id: string,
    private readonly cluster: FakeCluster,
  ) {
    this.server = createServer((request, response) => this.take(request, response));
    this.server.on("connection", (socket: Socket) => {
      this.sockets.add(socket);
      socket.on("error", () => {}).once("close", () => this.sockets.delete(socket));
    });
  }

  listen(port = 0): Promise<void> {
    return new Promise((resolve) => this.server.listen(port, "127.0.0.1", resolve));
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => {
      this.server.close(() => resolve());
    });
  }

  private take(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const [path = "", query = ""] = (request.url ?? "").split("?");
      const { method = "", headers } = request;
      const body = Buffer.concat(chunks);
      // As a node reads it: a plus is a plus.
      const wishes = new URLSearchParams(query.replaceAll("+", "%2B"));
      const asked = { node: this.id, method, path, query: wishes, headers, body };
      if (path === "/v1/cluster" || path === "/v1/ring" || path === "/health/ready") {
        return this.cluster.answer(path, response);
      }
      this.asked.push(asked);
      return this.instead(asked, response) || answerKey(this.cluster.keys, asked, response);
    });
  }
}

export class FakeCluster {
  readonly keys = new Map<string, Kept>();
  readonly nodes: FakeNode[];
  /** What a test changes about the cluster: names of nodes in preference order, types of buckets. */
  preference: string[];
  digest = "1";
  buckets: { bucket: string; type: string; replication: unknown }[] = [];
  datacenterOf: (id: string) => string = () => "dc1";
  /** False: nobody tells of the cluster. */
  isKnown = true;
  lookedAt = 0;

  private constructor(count: number) {
    this.nodes = Array.from({ length: count }, (_, index) => new FakeNode(`n${index + 1}`, this));
    this.preference = this.nodes.map(({ id }) => id);
  }

  static async start(count: number): Promise<FakeCluster> {
    const cluster = new FakeCluster(count);
    await Promise.all(cluster.nodes.map((node) => node.listen()));
    return cluster;
  }

  node(id: string): FakeNode {
    return this.nodes.find((node) => node.id === id) as FakeNode;
  }

  /** All requests about keys, as `n1 GET`. */
  get asked(): Asked[] {
    return this.nodes.flatMap(({ asked }) => asked);
  }

  get urls(): string[] {
    return this.nodes.map(({ url }) => url);
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }

  answer(path: string, response: ServerResponse): void {
    if (path === "/health/ready") return void reply(response, 200, { ready: true });
    if (!this.isKnown) return void reply(response, 404, {});
    this.lookedAt++;
    const layout = { version: 1, digest: this.digest };
    const defaults = { type: "register", replication: 3 };
    if (path === "/v1/cluster") {
      const nodes = this.nodes.map(({ id, port }) => ({
        ...{ node: id, host: "127.0.0.1", http: port, datacenter: this.datacenterOf(id) },
      }));
      reply(response, 200, { layout, nodes, buckets: this.buckets, defaults });
    } else {
      const owners = Array.from({ length: 4 }, () => this.preference);
      reply(response, 200, { partitions: 4, layout, placements: [{ replication: 3, owners }] });
    }
  }
}

function answerKey(keys: Map<string, Kept>, asked: Asked, response: ServerResponse): void {
  const { method, path, headers, body } = asked;
  const timing = 'n1;dur=0.25;desc="self same", n3;start=1.5;desc="first pending"';
  const always = { "Murmur-Context": CONTEXT, "Server-Timing": timing };
  if (method === "GET") {
    const kept = keys.get(path);
    if (kept === undefined) response.writeHead(404, always).end(JSON.stringify({ code: "not-found" }));
    else response.writeHead(200, { ...always, "Content-Type": kept.contentType }).end(kept.value);
    return;
  }
  if (method === "DELETE") keys.delete(path);
  else keys.set(path, { value: body, contentType: headers["content-type"] ?? "" });
  response.writeHead(204, always).end();
}

export function reply(response: ServerResponse, status: number, json: object, headers = {}): true {
  response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(json));
  return true;
}

export function problem(response: ServerResponse, status: number, code: string, more: object = {}, headers = {}): true {
  return reply(response, status, { status, code, detail: "as told", mayHaveApplied: false, ...more }, headers);
}
