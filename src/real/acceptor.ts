/**
 * The listening end: who may come in, and what comes in.
 *
 * At most one connection per member is held: a second one from the same process
 * replaces the first (its dialler knows better which is alive), one from another
 * process of the same name is refused while the first lives. A process killed
 * and started again comes in at once, since the kernel closed its old
 * connection; if the whole machine vanished, after peerSilenceMsMax.
 *
 * Invariant: at most handshakesPendingMax unproven connections are held. The
 * oldest gives way, because an honest handshake takes a millisecond: refusing
 * the newest instead would let a few idle strangers lock every member out.
 */
import { createServer, type Server, type Socket } from "node:net";
import { assert } from "../base/assert.js";
import { asBuffer, equalBytes } from "../base/bytes.js";
import { listenError } from "../base/listen-error.js";
import type { NodeId } from "../ports.js";
import { Connection } from "./connection.js";
import type { Difference } from "./facts.js";
import { Handshake } from "./handshake.js";
import type { Ground } from "./link.js";

interface Inbound {
  readonly connection: Connection;
  readonly instance: Uint8Array;
}

export class Acceptor {
  framesReceived = 0;
  bytesReceived = 0;
  connectionsMalformed = 0;
  private readonly server: Server;
  private readonly pending = new Set<Connection>();
  private readonly inbound = new Map<NodeId, Inbound>();
  private isListening = false;

  constructor(
    private readonly ground: Ground,
    private readonly onFrames: (from: NodeId, frames: readonly Uint8Array[]) => void,
    private readonly onDialled: (by: NodeId) => void,
  ) {
    this.server = createServer({ noDelay: true }, (socket) => this.onConnection(socket));
  }

  /** The port listened on: of interest when any was asked for. */
  get port(): number {
    const address = this.server.address();
    assert(address !== null && typeof address === "object", "a listening server has an address");
    return address.port;
  }

  listen(bind: string, port: number, onListening: (error?: Error) => void): void {
    this.server.on("error", (error: NodeJS.ErrnoException) => {
      if (this.isListening) this.ground.log.warn("could not accept a connection", { reason: error.message });
      else
        onListening(listenError({ node: this.ground.party.self, purpose: "peers", field: "peer", bind, port }, error));
    });
    this.server.listen({ host: bind, port }, () => {
      this.isListening = true;
      onListening();
    });
  }

  /** Why a peer of this name and process may not come in. */
  objectionTo(peer: NodeId, instance: Uint8Array, members: ReadonlySet<NodeId>): Difference | undefined {
    if (!members.has(peer)) return { field: "node id", ours: `one of ${[...members].join(", ")}`, theirs: peer };
    const present = this.inbound.get(peer);
    if (present === undefined || equalBytes(present.instance, instance)) return undefined;
    return { field: "node id", ours: processName(peer, present.instance), theirs: processName(peer, instance) };
  }

  /** Closes the connections of those that are members no more. */
  keepOnly(members: ReadonlySet<NodeId>): void {
    for (const [peer, { connection }] of this.inbound) if (!members.has(peer)) connection.destroy();
  }

  tick(): void {
    for (const { connection } of this.inbound.values()) connection.tick();
  }

  close(onClosed: () => void): void {
    for (const connection of this.pending) connection.destroy();
    for (const { connection } of this.inbound.values()) connection.destroy();
    // It also calls back, with an error, when it never listened; either way it is closed.
    this.server.close(() => onClosed());
  }

  private onConnection(socket: Socket): void {
    const { party, random, clock, limits, standing } = this.ground;
    const address = `${socket.remoteAddress}`;
    let from: NodeId | undefined;
    const connection = new Connection(socket, new Handshake(party, undefined, random), clock, limits, {
      onAccepted: (peer, instance) => {
        from = peer;
        this.pending.delete(connection);
        this.inbound.get(peer)?.connection.destroy();
        this.inbound.set(peer, { connection, instance });
        standing.onAccepted(peer);
        this.onDialled(peer);
      },
      onRefused: (end) => standing.onRefused(end),
      onFrames: (frames, chunkBytes) => {
        assert(from !== undefined, "frames come from a proven peer");
        this.framesReceived += frames.length;
        this.bytesReceived += chunkBytes;
        this.onFrames(from, frames);
      },
      // Only pulses go back on a connection that a peer dialled.
      onWritten: () => {},
      onClosed: (malformed) => {
        this.pending.delete(connection);
        if (from !== undefined && this.inbound.get(from)?.connection === connection) this.inbound.delete(from);
        if (malformed === undefined) return;
        this.connectionsMalformed++;
        standing.warn("malformed", "closed a connection that did not speak as a node", { address, from, malformed });
      },
    });
    this.pending.add(connection);
    const [oldest] = this.pending;
    if (this.pending.size > limits.handshakesPendingMax) oldest?.destroy();
  }
}

function processName(peer: NodeId, instance: Uint8Array): string {
  return `${peer} of process ${asBuffer(instance).toString("hex")}`;
}

/** What went wrong and what to do about it. */
