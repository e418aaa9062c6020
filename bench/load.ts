/**
 * A load generator that costs little: HTTP/1.1 on bare keep-alive sockets, one
 * request at a time on each, and of an answer only its status and its end.
 * node:http as a client costs more CPU than the server it asks, and on a
 * machine with two cores it would be what is measured.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createHistogram } from "node:perf_hooks";

export class HttpConnection {
  private readonly socket: Socket;
  private partial: Buffer | undefined;
  private onAnswer: ((status: number) => void) | undefined;
  private onLost: (error: Error) => void = () => {};

  private constructor(port: number) {
    this.socket = connect({ host: "127.0.0.1", port, noDelay: true });
    this.socket.on("data", (chunk) => this.onData(chunk));
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      if (this.onAnswer !== undefined)
        this.onLost(new Error("a server closed a connection that waited for its answer"));
    });
  }

  static async open(port: number): Promise<HttpConnection> {
    const connection = new HttpConnection(port);
    await once(connection.socket, "connect");
    return connection;
  }

  /** Sends a whole request, as latin1. One at a time. */
  ask(request: string, onAnswer: (status: number) => void, onLost: (error: Error) => void): void {
    if (this.socket.destroyed) return onLost(new Error("a server closed a connection that was idle"));
    this.onAnswer = onAnswer;
    this.onLost = onLost;
    this.socket.write(request, "latin1");
  }

  close(): void {
    this.onAnswer = undefined;
    this.socket.destroy();
  }

  private onData(chunk: Buffer): void {
    const bytes = this.partial === undefined ? chunk : Buffer.concat([this.partial, chunk]);
    const text = bytes.toString("latin1");
    const headEnd = text.indexOf("\r\n\r\n");
    if (headEnd < 0 || text.length < headEnd + 4 + contentLength(text.slice(0, headEnd))) {
      this.partial = bytes;
      return;
    }
    this.partial = undefined;
    const { onAnswer } = this;
    this.onAnswer = undefined;
    onAnswer?.(Number(text.slice(9, 12)));
  }
}

/** An answer without a length has no body: the servers asked here never answer in chunks. */
function contentLength(head: string): number {
  return Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
}

/** Runs `work` on so many new connections, and closes them. Servers close those that were idle for a while. */
export async function withConnections<Outcome>(
  port: number,
  count: number,
  work: (connections: readonly HttpConnection[]) => Promise<Outcome>,
): Promise<Outcome> {
  const connections = await Promise.all(Array.from({ length: count }, () => HttpConnection.open(port)));
  try {
    return await work(connections);
  } finally {
    for (const connection of connections) connection.close();
  }
}

export interface Load {
  /** Answers that were what was asked for, and others. */
  readonly answers: number;
  readonly failures: number;
  readonly perSecond: number;
  readonly p50Micros: number;
}

/** A closed loop: every connection sends its next request when the last one is answered, for so long. */
export function closedLoop(
  connections: readonly HttpConnection[],
  nextRequest: () => string,
  lastingMs: number,
): Promise<Load> {
  const startedMs = performance.now();
  return requests(connections, nextRequest, () => performance.now() - startedMs < lastingMs);
}

/** So many requests, as fast as the connections take them. */
export function allRequests(connections: readonly HttpConnection[], list: readonly string[]): Promise<Load> {
  let next = 0;
  // Every connection sends one request before it asks whether to go on.
  const used = connections.slice(0, list.length);
  return requests(
    used,
    () => list[next++] as string,
    () => next < list.length,
  );
}

function requests(
  connections: readonly HttpConnection[],
  nextRequest: () => string,
  goesOn: () => boolean,
): Promise<Load> {
  return new Promise((resolve, reject) => {
    const micros = createHistogram();
    const startedMs = performance.now();
    let [answers, failures, running] = [0, 0, connections.length];
    const finish = () => {
      const seconds = (performance.now() - startedMs) / 1000;
      resolve({ answers, failures, perSecond: answers / seconds, p50Micros: micros.percentile(50) });
    };
    for (const connection of connections) {
      let askedMs = 0;
      const ask = () => {
        askedMs = performance.now();
        connection.ask(nextRequest(), onAnswer, reject);
      };
      const onAnswer = (status: number) => {
        micros.record(Math.max(1, Math.round((performance.now() - askedMs) * 1000)));
        if (status >= 200 && status < 300) answers++;
        else failures++;
        if (goesOn()) return ask();
        running--;
        if (running === 0) finish();
      };
      ask();
    }
  });
}
