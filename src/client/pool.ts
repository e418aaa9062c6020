/**
 * Connections to one node: pooled, bounded, kept alive. One request, one
 * outcome, exactly once. The hot path of the client: no promise, no URL object,
 * one array of headers.
 *
 * An idle connection on which something arrives is thrown away: a node that
 * stops says so on each of its idle connections (503 draining) before it closes
 * them. A request that crosses this word on the wire gets it as its answer, and
 * it is true for it as well: the node takes nothing more from that connection.
 */
import { Agent, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { NO_BYTES } from "../base/bytes.js";
import { NEVER_SENT } from "../base/never-sent.js";
import type { ClientLimits } from "./limits.js";

export interface HttpQuestion {
  readonly method: "GET" | "PUT" | "DELETE" | "POST";
  /** With its query. */
  readonly path: string;
  /** Names and values in turn; Host is added. */
  readonly headers: readonly string[];
  readonly body: Uint8Array | undefined;
}

export interface HttpAnswer {
  readonly kind: "answer";
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
}

/** No answer came. `wasSent` is false when not a byte of the request can have reached the node. */
export interface Broken {
  readonly kind: "broken";
  readonly wasSent: boolean;
  /** For people: ECONNREFUSED and the like. */
  readonly reason: string;
}

export type HttpOutcome = HttpAnswer | Broken;

/** A request under way. */
export interface Sent {
  /** Gives it up; no outcome follows. Returns whether any of it can have reached the node. */
  destroy(): boolean;
}

type PoolLimits = Pick<ClientLimits, "socketsMax" | "idleSocketMs" | "answerBytesMax">;

export class Pool {
  private readonly agent: WatchfulAgent;
  private readonly address: { readonly host: string; readonly port: number };
  private readonly hostHeader: readonly string[];

  /** `url` is a base URL such as http://127.0.0.1:8101. `onUnasked`: the node spoke on an idle connection. */
  constructor(
    url: string,
    private readonly limits: PoolLimits,
    onUnasked: () => void,
  ) {
    const { hostname, port, host } = new URL(url);
    this.address = { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80) };
    this.hostHeader = ["Host", host];
    this.agent = new WatchfulAgent(limits, onUnasked);
  }

  /** `isIdle`: the process need not stay alive for it. */
  send(question: HttpQuestion, done: (outcome: HttpOutcome) => void, isIdle = false): Sent {
    const { method, path, headers, body } = question;
    const { host, port } = this.address;
    const all = [...this.hostHeader, ...headers];
    const sent = request({ host, port, method, path, headers: all, agent: this.agent });
    if (isIdle) sent.once("socket", (socket) => socket.unref());
    const exchange = new Exchange(sent, this.limits.answerBytesMax, done);
    sent.end(body);
    return exchange;
  }

  /** Takes no more requests on; those under way end as they may. */
  retire(): void {
    this.agent.retire();
  }

  destroy(): void {
    this.agent.destroy();
  }
}

class Exchange implements Sent {
  private isOver = false;

  constructor(
    private readonly sent: ClientRequest,
    private readonly bytesMax: number,
    private readonly done: (outcome: HttpOutcome) => void,
  ) {
    sent.on("response", (response) => this.onResponse(response));
    sent.on("error", (error: NodeJS.ErrnoException) => this.onError(error));
  }

  destroy(): boolean {
    const wasSent = hasLeft(this.sent);
    this.isOver = true;
    this.sent.destroy();
    return wasSent;
  }

  private onResponse(response: IncomingMessage): void {
    const status = response.statusCode as number;
    if (status === 204 || status === 304) {
      response.resume();
      return this.end({ kind: "answer", status, headers: response.headers, body: NO_BYTES });
    }
    const chunks: Uint8Array[] = [];
    let length = 0;
    response.on("data", (chunk: Uint8Array) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length > this.bytesMax) this.sent.destroy(new Error(`an answer of more than ${this.bytesMax} bytes`));
    });
    response.on("end", () => {
      const body = chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks, length);
      this.end({ kind: "answer", status, headers: response.headers, body });
    });
    response.on("error", (error: NodeJS.ErrnoException) => this.onError(error));
  }

  private onError(error: NodeJS.ErrnoException): void {
    if (this.isOver) return;
    const isUnsent = error.syscall === "connect" || NEVER_SENT.has(error.code ?? "");
    this.end({ kind: "broken", wasSent: !isUnsent && hasLeft(this.sent), reason: error.code ?? error.message });
  }

  private end(outcome: HttpOutcome): void {
    if (this.isOver) return;
    this.isOver = true;
    this.done(outcome);
  }
}

/** A request that waits for a connection, or whose connection is still being made, has not left. */
function hasLeft(sent: ClientRequest): boolean {
  return sent.socket !== null && sent.socket !== undefined && !sent.socket.connecting;
}

class WatchfulAgent extends Agent {
  private readonly watched = new WeakSet<Socket>();

  constructor(
    { socketsMax, idleSocketMs }: PoolLimits,
    private readonly onUnasked: () => void,
  ) {
    super({ keepAlive: true, maxSockets: socketsMax, maxFreeSockets: socketsMax, timeout: idleSocketMs });
  }

  /** All go to one address: nothing to tell apart. */
  override getName(): string {
    return "";
  }

  override keepSocketAlive(socket: Socket): boolean {
    const isKept = super.keepSocketAlive(socket) as unknown as boolean;
    if (isKept && !this.watched.has(socket)) this.watch(socket);
    return isKept;
  }

  retire(): void {
    this.maxFreeSockets = 0;
    for (const sockets of Object.values(this.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  /** Once per connection and not once per idle moment: listeners that come and go cost more than the question. */
  private watch(socket: Socket): void {
    this.watched.add(socket);
    socket.on("data", () => {
      if (isAsked(socket)) return;
      socket.destroy();
      this.onUnasked();
    });
  }
}

/** node:http keeps the request that a connection serves under this name. */
function isAsked(socket: Socket): boolean {
  return (socket as { _httpMessage?: ClientRequest | null })._httpMessage != null;
}
