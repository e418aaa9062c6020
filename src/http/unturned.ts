/**
 * Answers whose turn on their connection never comes.
 *
 * Of pipelined requests one answer at a time has the connection; when that
 * closes, node:http tells this one alone. Whoever waits for "close" to give back
 * what a request took (gate.ts, events.ts) would wait for ever behind it, so
 * here the others are told.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

export class Unturned {
  private readonly answers = new WeakMap<Socket, Set<ServerResponse>>();

  /** With each request, before anybody else sees it. One whose turn it is costs nothing. */
  add({ socket }: IncomingMessage, response: ServerResponse): void {
    if (response.socket !== null) return;
    const waiting = this.answers.get(socket) ?? this.follow(socket);
    waiting.add(response);
    response.once("close", () => waiting.delete(response));
  }

  private follow(socket: Socket): Set<ServerResponse> {
    const waiting = new Set<ServerResponse>();
    this.answers.set(socket, waiting);
    socket.once("close", () => {
      for (const response of waiting) if (response.socket === null) close(response);
    });
    return waiting;
  }
}

function close(response: ServerResponse): void {
  response.destroy();
  response.emit("close");
}
