/**
 * A connection of the load generator to one node: one request at a time, kept
 * for the next as long as both sides want it.
 */
import { connect, type Socket } from "node:net";
import { type Answer, AnswerReader } from "./answer.js";

/** The code of an error of the network, or of an answer that is none. */
export type LineEnd = string;

interface Waiting {
  answered(answer: Answer): void;
  /** No answer comes: the connection is gone. */
  lost(code: LineEnd, hadAnswered: boolean): void;
}

export class Line {
  private readonly socket: Socket;
  private readonly reader = new AnswerReader();
  private waiting: Waiting | undefined;
  private hadAnswered = false;
  private code = "ECONNRESET";

  /** `onOpened` comes once, also when it comes to nothing. */
  constructor(host: string, port: number, onOpened: () => void) {
    this.socket = connect({ host, port, noDelay: true });
    const opened = () => {
      this.socket.off("connect", opened).off("close", opened);
      onOpened();
    };
    this.socket.on("connect", opened).on("close", opened);
    this.socket.on("data", (piece) => this.onPiece(piece));
    this.socket.on("error", (error: NodeJS.ErrnoException) => {
      this.code = error.code ?? "network";
    });
    this.socket.on("close", () => this.onClosed());
  }

  get isOpen(): boolean {
    return this.socket.writable;
  }

  ask(head: string, body: Buffer | undefined, waiting: Waiting): void {
    this.waiting = waiting;
    this.socket.write(body === undefined ? head : head + body.toString("latin1"), "latin1");
  }

  /** Whoever waits is told nothing. */
  close(): void {
    this.waiting = undefined;
    this.socket.destroy();
  }

  private onPiece(piece: Buffer): void {
    const answer = this.reader.read(piece);
    if (answer === null) {
      this.code = "no-http";
      this.socket.destroy();
    } else if (answer !== undefined) this.settle(answer);
  }

  private onClosed(): void {
    const answer = this.reader.end();
    if (answer !== undefined) return this.settle(answer);
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.lost(this.code, this.hadAnswered);
  }

  private settle(answer: Answer): void {
    const { waiting } = this;
    this.waiting = undefined;
    this.hadAnswered = true;
    if (answer.isLast) this.socket.destroy();
    waiting?.answered(answer);
  }
}
