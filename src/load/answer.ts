/**
 * Reads answers of HTTP/1.1 off a connection, and keeps of each what a load
 * generator needs: its status, whether the connection lasts, and of a refusal
 * its first characters. node:http as a client costs more CPU than it does as a
 * server: on a machine that both share, it would be what is measured.
 */

export interface Answer {
  readonly status: number;
  /** Whether the connection takes another request. */
  readonly isLast: boolean;
  /** Of the body, as long as it is not a success. */
  readonly text: string;
}

const TEXT_CHARACTERS_MAX = 4096;
const HEAD_BYTES_MAX = 65_536;
const HEAD_END = "\r\n\r\n";

/** What of a body is still to come: so many bytes, or whatever comes until the connection ends. */
type Rest = number | "chunks" | "all";

/** One answer at a time: a request is sent when the last one was answered. */
export class AnswerReader {
  private head = "";
  private status = 0;
  private isLast = false;
  private rest: Rest = 0;
  private text = "";
  /** Of a chunked body: what is not yet looked at, and how much of a chunk is to come. */
  private chunks = "";
  private chunkLeft = 0;

  /** The answer that ends with this piece; undefined when more is to come, null when it is none. */
  read(piece: Buffer): Answer | undefined | null {
    if (this.status !== 0) return this.readBody(piece.toString("latin1"));
    this.head += piece.toString("latin1");
    const end = this.head.indexOf(HEAD_END);
    if (end < 0) return this.head.length > HEAD_BYTES_MAX ? null : undefined;
    const body = this.head.slice(end + HEAD_END.length);
    if (!this.readHead(this.head.slice(0, end + 2))) return null;
    return this.readBody(body);
  }

  /** The connection ended: an answer without a length is whole then. */
  end(): Answer | undefined {
    return this.rest === "all" ? this.whole() : undefined;
  }

  private readHead(head: string): boolean {
    if (!head.startsWith("HTTP/1.1 ")) return false;
    this.status = Number(head.slice(9, 12));
    this.isLast = /\r\nconnection: *close\r\n/i.test(head);
    const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1];
    if (this.status === 204 || this.status === 304) this.rest = 0;
    else if (length !== undefined) this.rest = Number(length);
    else this.rest = /\r\ntransfer-encoding: *chunked\r\n/i.test(head) ? "chunks" : "all";
    return this.status >= 200;
  }

  private readBody(body: string): Answer | undefined {
    if (this.rest === "chunks") return this.readChunks(body);
    this.keep(body);
    if (this.rest === "all") return undefined;
    this.rest -= body.length;
    return this.rest > 0 ? undefined : this.whole();
  }

  private readChunks(body: string): Answer | undefined {
    this.chunks += body;
    for (;;) {
      const taken = Math.min(this.chunkLeft, this.chunks.length);
      this.keep(this.chunks.slice(0, taken));
      this.chunkLeft -= taken;
      this.chunks = this.chunks.slice(taken);
      // What stands before a size is the end of the chunk before.
      const line = /^(?:\r\n)?([0-9a-f]+)[^\r\n]*\r\n/i.exec(this.chunks);
      if (this.chunkLeft > 0 || line === null) return undefined;
      this.chunkLeft = Number.parseInt(line[1] as string, 16);
      if (this.chunkLeft === 0) return this.chunks.endsWith(HEAD_END) ? this.whole() : undefined;
      this.chunks = this.chunks.slice(line[0].length);
    }
  }

  private keep(part: string): void {
    if (this.status >= 300 && this.text.length < TEXT_CHARACTERS_MAX) this.text += part;
  }

  private whole(): Answer {
    const { status, isLast, rest, text } = this;
    Object.assign(this, { head: "", status: 0, isLast: false, rest: 0, text: "", chunks: "", chunkLeft: 0 });
    return { status, isLast: isLast || rest === "all", text };
  }
}
