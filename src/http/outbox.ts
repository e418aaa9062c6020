/**
 * Answers leave together, in the check phase of the event loop.
 *
 * The loop polls all sockets, then checks. An answer that is written while others
 * still wait to be read costs a switch from reading to writing and back, for each
 * of them; written after all were read, the node reads many and then
 * writes many. Of a lone request nothing is delayed: the check phase is next.
 */
import type { ServerResponse } from "node:http";
import type { Unread } from "./unread.js";

interface Ending {
  readonly response: ServerResponse;
  readonly body: Uint8Array | string | undefined;
}

export class Outbox {
  private endings: Ending[] = [];

  constructor(private readonly unread: Unread) {}

  /** Ends the answer in this turn of the loop. */
  end(response: ServerResponse, body: Uint8Array | string | undefined): void {
    if (this.endings.length === 0) setImmediate(() => this.release());
    this.endings.push({ response, body });
  }

  private release(): void {
    const { endings } = this;
    this.endings = [];
    for (const { response, body } of endings) {
      response.end(body);
      this.unread.add(response);
    }
  }
}
