/**
 * A TCP proxy between two nodes: one listener for what one of them dials of the
 * other, and a wire of two directions that can be broken each by itself.
 *
 * A cut loses nothing by itself: as TCP does when a route is gone and comes
 * back, the bytes wait and arrive late, unless an end has given up meanwhile.
 * Neither does the end of a connection cross a cut: the other end stays, half
 * open. While either direction is cut no new connection comes about.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** What one direction is like. */
export interface Weather {
  isCut: boolean;
  delayMs: number;
  /** Bytes a second; undefined: as fast as the machine is. */
  bytesPerSecond: number | undefined;
}

export const FAIR: Readonly<Weather> = { isCut: false, delayMs: 0, bytesPerSecond: undefined };

/** What may be under way in one direction of a connection before its sender is held back. */
const WINDOW_BYTES = 256 * 1024;
const HOST = "127.0.0.1";

/** One direction of one connection. */
class Flow {
  private readonly chunks: { readonly bytes: Buffer; readonly dueMs: number }[] = [];
  private waitingBytes = 0;
  private freeAtMs = 0;
  private timer: NodeJS.Timeout | undefined;
  private hasEnded = false;

  constructor(
    private readonly source: Socket,
    private readonly sink: Socket,
    private readonly weather: Weather,
  ) {
    source.on("data", (bytes: Buffer) => {
      this.chunks.push({ bytes, dueMs: performance.now() + this.weather.delayMs });
      this.waitingBytes += bytes.length;
      if (this.waitingBytes > WINDOW_BYTES) source.pause();
      this.pump();
    });
    source.on("close", () => {
      this.hasEnded = true;
      this.pump();
    });
    sink.on("drain", () => this.pump());
  }

  /** Passes on what may pass now. */
  pump(): void {
    clearTimeout(this.timer);
    if (this.weather.isCut || this.sink.destroyed) return;
    const nowMs = performance.now();
    for (let next = this.chunks[0]; next !== undefined; next = this.chunks[0]) {
      const waitMs = Math.max(next.dueMs, this.freeAtMs) - nowMs;
      if (waitMs > 0) {
        this.timer = setTimeout(() => this.pump(), waitMs);
        return;
      }
      this.chunks.shift();
      this.pass(next.bytes, nowMs);
      if (this.sink.writableNeedDrain) return;
    }
    if (this.hasEnded) this.sink.destroy();
  }

  private pass(bytes: Buffer, nowMs: number): void {
    const { bytesPerSecond } = this.weather;
    if (bytesPerSecond !== undefined) {
      this.freeAtMs = Math.max(nowMs, this.freeAtMs) + (1000 * bytes.length) / bytesPerSecond;
    }
    this.waitingBytes -= bytes.length;
    if (this.waitingBytes <= WINDOW_BYTES && this.source.isPaused()) this.source.resume();
    this.sink.write(bytes);
  }
}

interface Connection {
  readonly near: Socket;
  far: Socket | undefined;
  flows: readonly Flow[];
}

/** The way on which one node dials another. */
export class Wire {
  private readonly server: Server;
  private readonly connections = new Set<Connection>();

  /** `there` and `back` are shared with the wire on which the other node dials this one. */
  constructor(
    private readonly targetPort: number,
    private readonly there: Weather,
    private readonly back: Weather,
  ) {
    this.server = createServer({ noDelay: true }, (near) => this.onConnection(near));
  }

  /** The port to dial instead of the node's own. */
  async listen(): Promise<number> {
    await once(this.server.listen(0, HOST), "listening");
    return (this.server.address() as AddressInfo).port;
  }

  /** The weather has changed. */
  onWeather(): void {
    for (const connection of this.connections) {
      if (connection.far === undefined) this.dial(connection);
      for (const flow of connection.flows) flow.pump();
    }
  }

  /** Resets all connections at both ends, as a firewall that lost its table does. */
  reset(): void {
    for (const { near, far } of this.connections) {
      near.resetAndDestroy();
      far?.resetAndDestroy();
    }
  }

  /** The accepting end closes, and the dialling end never hears of it. */
  halfOpen(): void {
    for (const connection of this.connections) {
      const { near, far } = connection;
      if (far === undefined) continue;
      far.removeAllListeners("close");
      near.removeAllListeners("data").resume();
      connection.flows = [];
      far.on("error", () => {}).destroy();
      near.once("close", () => this.connections.delete(connection));
    }
  }

  async close(): Promise<void> {
    this.reset();
    await once(this.server.close(), "close");
  }

  private onConnection(near: Socket): void {
    const connection: Connection = { near, far: undefined, flows: [] };
    this.connections.add(connection);
    near.on("error", () => {});
    near.once("close", () => {
      if (connection.far === undefined) this.connections.delete(connection);
    });
    this.dial(connection);
  }

  private dial(connection: Connection): void {
    const { near } = connection;
    if (this.there.isCut || this.back.isCut || near.destroyed) return;
    const far = connect({ host: HOST, port: this.targetPort, noDelay: true });
    far.on("error", () => {});
    connection.far = far;
    connection.flows = [new Flow(near, far, this.there), new Flow(far, near, this.back)];
    const forget = () => {
      if (near.destroyed && far.destroyed) this.connections.delete(connection);
    };
    near.once("close", forget);
    far.once("close", forget);
  }
}
