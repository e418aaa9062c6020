/**
 * The end of an edge, so that no client loses a request by it.
 *
 * To close an idle connection is a race: a request may be on its way over it,
 * and its sender cannot know whether it was taken. So a stopping node first
 * says on each idle connection that it takes nothing more (503 draining, as
 * RFC 9110 15.5.9 allows with 408), then ends it, and reads on for a while: a
 * request that crosses that word gets it as its answer, and it is true. Answers
 * under way end their connections too. And for a moment the port stays open for
 * those who have not heard of it yet; they are served, one answer each.
 */
import type { Server } from "node:http";
import { Server as NetServer, type Socket } from "node:net";
import type { Edge } from "./edge.js";
import { dueAnswer, endRaw } from "./parse-errors.js";
import { Problem } from "./problem.js";

export const DRAINING = new Problem("draining", "this node is stopping; nothing was done: ask another");

export class Drain {
  private readonly connections = new Set<Socket>();

  constructor(
    private readonly server: Server,
    private readonly edge: Edge,
  ) {
    server.on("connection", (socket) => {
      this.connections.add(socket);
      socket.once("close", () => this.connections.delete(socket));
    });
  }

  /** How many connections are open. */
  get open(): number {
    return this.connections.size;
  }

  begin(onDrained: () => void): void {
    const { drainMsMax, drainNoticeMs } = this.edge.limits;
    const cut = setTimeout(() => this.server.closeAllConnections(), drainMsMax);
    this.refuseIdle();
    const noticeMs = this.connections.size === 0 ? 0 : Math.min(drainNoticeMs, drainMsMax);
    setTimeout(() => {
      // http's own close would cut idle connections off: it comes when all are gone.
      NetServer.prototype.close.call(this.server, () => {
        clearTimeout(cut);
        this.server.close();
        onDrained();
      });
      this.refuseIdle();
    }, noticeMs);
  }

  private refuseIdle(): void {
    for (const socket of this.connections) {
      if (dueAnswer(socket) === undefined && !socket.writableEnded) endRaw(this.edge, socket, DRAINING);
    }
  }
}
