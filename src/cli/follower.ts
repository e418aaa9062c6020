/**
 * One node's stream of events, for as long as it is wanted: when it breaks it
 * is opened anew, less and less often while that fails.
 */
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { reasonOf } from "./cluster.js";
import { EventParser } from "./event-parser.js";

/** What came of one attempt: nobody there, or somebody who refused. */
export interface Loss {
  readonly reason: string;
  /** Something answered, but with no stream. */
  readonly isAnswer: boolean;
}

export interface FollowerHost {
  /** The node answers with a stream. */
  onOpen(): void;
  onEvent(name: string, data: unknown): void;
  /** The stream broke or was not to be had; the next attempt follows by itself. */
  onLost(loss: Loss): void;
}

/** Longer than two heartbeats of a node: the machine behind it is gone. */
const SILENCE_MS_MAX = 35_000;
const BACKOFF_MS_MIN = 250;
const BACKOFF_MS_MAX = 4000;
const EVENT_CHARACTERS_MAX = 4 * 1024 * 1024;
const REFUSAL_CHARACTERS_MAX = 16_384;

export class Follower {
  private sent: ClientRequest | undefined;
  private retry: NodeJS.Timeout | undefined;
  private backoffMs = BACKOFF_MS_MIN;
  private isStopped = false;

  constructor(
    readonly url: string,
    private readonly host: FollowerHost,
  ) {}

  /** Opens the stream, and does so again until `stop`. */
  start(): void {
    let isLost = false;
    const lose = (loss: Loss) => {
      if (isLost || this.isStopped) return;
      isLost = true;
      sent.destroy();
      this.host.onLost(loss);
      this.retryLater();
    };
    const sent = request(`${this.url}/v1/events`, { agent: false, timeout: SILENCE_MS_MAX });
    sent.on("timeout", () => lose({ reason: "silent", isAnswer: false }));
    sent.on("error", (error: NodeJS.ErrnoException) => lose({ reason: reasonOf(error.code), isAnswer: false }));
    sent.on("response", (response) => {
      if (isStream(response)) this.read(response, lose);
      else readRefusal(response, (reason) => lose({ reason, isAnswer: true }));
    });
    sent.end();
    this.sent = sent;
  }

  stop(): void {
    this.isStopped = true;
    clearTimeout(this.retry);
    this.sent?.destroy();
  }

  private read(response: IncomingMessage, lose: (loss: Loss) => void): void {
    this.backoffMs = BACKOFF_MS_MIN;
    this.host.onOpen();
    const parser = new EventParser((name, data) => {
      const event = parsed(data);
      if (event === undefined) lose({ reason: "its events are not JSON", isAnswer: true });
      else if (!this.isStopped) this.host.onEvent(name, event);
    });
    response.setEncoding("utf8").on("data", (text: string) => {
      parser.push(text);
      if (parser.pending > EVENT_CHARACTERS_MAX) lose({ reason: "its event has no end", isAnswer: true });
    });
    const onEnd = () => lose({ reason: "hung up", isAnswer: false });
    response.on("error", onEnd).on("close", onEnd);
  }

  /** Half of the wait is by chance, so that many watchers do not come back as one. */
  private retryLater(): void {
    const waitMs = this.backoffMs * (0.5 + Math.random() / 2);
    this.backoffMs = Math.min(BACKOFF_MS_MAX, 2 * this.backoffMs);
    this.retry = setTimeout(() => this.start(), waitMs);
  }
}

function isStream({ statusCode, headers }: IncomingMessage): boolean {
  return statusCode === 200 && String(headers["content-type"]).startsWith("text/event-stream");
}

/** Why there is no stream, in the words of the node if it has any. */
function readRefusal(response: IncomingMessage, onReason: (reason: string) => void): void {
  let body = "";
  response.setEncoding("utf8").on("data", (text: string) => {
    if (body.length < REFUSAL_CHARACTERS_MAX) body += text;
  });
  response.on("close", () => {
    const { code, detail } = (parsed(body) ?? {}) as { code?: string; detail?: string };
    onReason(code === undefined ? `status ${response.statusCode} and no events` : `${code}: ${detail}`);
  });
}

function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
