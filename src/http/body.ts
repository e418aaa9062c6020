/**
 * A request's body, held to its limit while it arrives.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { NO_BYTES } from "../base/bytes.js";
import type { Edge } from "./edge.js";
import { Problem } from "./problem.js";
import { refuse } from "./respond.js";

/** So many chunks are joined into one. */
const PIECES_MAX = 1024;

export interface BodyLimit {
  /** As in "a value of 5 bytes". */
  readonly what: string;
  readonly bytesMax: number;
}

/** What a body may come to: an undeclared one, or one that will be refused, counts as the largest. */
export function expectedBytes(headers: IncomingHttpHeaders, bytesMax: number): number {
  const declared = headers["content-length"];
  return declared === undefined ? bytesMax : Math.min(Number(declared), bytesMax);
}

/**
 * Reads the whole body, then calls `done`, once: with the bytes, or with undefined when there is nobody left to answer
 * (the client went away, or was refused for sending too much).
 */
export function readBody(
  edge: Edge,
  request: IncomingMessage,
  response: ServerResponse,
  { what, bytesMax }: BodyLimit,
  done: (body: Uint8Array | undefined) => void,
): void {
  const pieces = new Pieces();
  let length = 0;
  const finish = (body: Uint8Array | undefined): void => {
    request.off("data", onData).off("end", onEnd).off("close", onGone);
    edge.readingBody.delete(response);
    done(body);
  };
  const refuseLength = (bytes: string): void => {
    refuse(
      edge,
      request,
      response,
      new Problem("too-large", `${what} of ${bytes} bytes; the limit is ${bytesMax}`),
      length,
    );
    finish(undefined);
  };
  const onData = (chunk: Uint8Array): void => {
    length += chunk.length;
    if (length > bytesMax) refuseLength(`${length} or more`);
    else pieces.add(chunk);
  };
  const onEnd = (): void => finish(pieces.joined());
  const onGone = (): void => finish(undefined);

  const declared = request.headers["content-length"];
  if (declared !== undefined && Number(declared) > bytesMax) {
    refuseLength(declared);
    return;
  }
  if (request.headers.expect !== undefined) response.writeContinue();
  edge.readingBody.add(response);
  request.on("error", ignore).on("data", onData).on("end", onEnd).on("close", onGone);
}

/** What has arrived. A client that sends a byte a chunk must not make us keep a hundred times as much. */
export class Pieces {
  /** The first `blocks` of them were joined of many. */
  private readonly kept: Uint8Array[] = [];
  private blocks = 0;

  get count(): number {
    return this.kept.length;
  }

  add(piece: Uint8Array): void {
    this.kept.push(piece);
    if (this.kept.length - this.blocks < PIECES_MAX) return;
    this.kept.push(Buffer.concat(this.kept.splice(this.blocks)));
    this.blocks++;
  }

  joined(): Uint8Array {
    const [first] = this.kept;
    if (first === undefined) return NO_BYTES;
    return this.kept.length === 1 ? first : Buffer.concat(this.kept);
  }
}

/** A torn connection is told by "close", which always comes; without a listener the error would end the process. */
function ignore(): void {}
