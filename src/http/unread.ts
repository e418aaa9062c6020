/**
 * Answers that were given and are not read.
 *
 * Whoever asks for much and does not read it makes the node keep it. So what is
 * kept has a limit in sum, and beyond it the connection is cut off that has had
 * the longest time: as for events, whoever reads so slowly may come again.
 * Nobody is refused for the slowness of others.
 */
import type { ServerResponse } from "node:http";
import type { Limits } from "../config.js";
import type { Meter } from "../ports.js";

/** An answer of which less is left will be in the sockets' own buffers soon. */
const LEAST_BYTES = 16 * 1024;

export class Unread {
  /** In the order in which they were given. Those read meanwhile leave when the next one comes. */
  private readonly answers = new Set<ServerResponse>();

  constructor(
    private readonly meter: Meter,
    private readonly limits: Pick<Limits, "answerBytesPendingMax">,
  ) {}

  /** An answer was given whole. */
  add(answer: ServerResponse): void {
    if (bytesLeft(answer) < LEAST_BYTES) return;
    this.answers.add(answer);
    let bytes = 0;
    for (const each of this.answers) {
      const left = bytesLeft(each);
      if (left === 0) this.answers.delete(each);
      bytes += left;
    }
    for (const oldest of this.answers) {
      if (bytes <= this.limits.answerBytesPendingMax || oldest === answer) return;
      bytes -= bytesLeft(oldest);
      this.cut(oldest);
    }
  }

  private cut(answer: ServerResponse): void {
    this.answers.delete(answer);
    this.meter.count("murmur_answers_cut_total");
    answer.req.socket.destroy();
  }
}

function bytesLeft(answer: ServerResponse): number {
  return answer.req.socket.destroyed ? 0 : answer.writableLength;
}
