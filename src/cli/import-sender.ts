/**
 * PUTs in bulk: pooled connections to every node in turn. A PUT of the same
 * value is idempotent, or has a name and counts once, so whatever fails without
 * fault of the record is tried again, at another node if there is one, until
 * the attempts are used up.
 */
import { Agent, type IncomingMessage, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandFailure, EXIT } from "./exit.js";

/** undefined: stored. Otherwise why no attempt can ever succeed. */
export type Refusal = string | undefined;

interface Target {
  readonly url: string;
  readonly options: { readonly hostname: string; readonly port: string };
  /** In a row. */
  failures: number;
  leftOutUntilMs: number;
}

interface Reply {
  readonly status: number;
  readonly body: string;
}

const ATTEMPTS_MAX = 20;
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 2000;
/** A node that fails is asked again after this, as it may be restarting, and less and less often. */
const LEFT_OUT_MS_MIN = 500;
const LEFT_OUT_MS_MAX = 8000;
const SILENCE_MS_MAX = 10_000;
const REPLY_CHARACTERS_MAX = 16_384;
const NOTHING = Buffer.alloc(0);

/** The record's own fault. Every other refusal is about the cluster, or about all records alike. */
const REFUSED = new Set([400, 409, 413, 414, 415, 431]);
const RETRYABLE = new Set([408, 429, 500, 502, 503, 504, 507]);

export class Sender {
  private readonly targets: Target[];
  private readonly agent: Agent;
  private turn = 0;

  constructor(
    urls: readonly string[],
    concurrency: number,
    private readonly stop: AbortSignal,
  ) {
    this.agent = new Agent({ keepAlive: true, maxSockets: concurrency });
    this.targets = urls.map((url) => {
      const { hostname, port } = new URL(url);
      return {
        url,
        options: { hostname: hostname.replace(/^\[|\]$/g, ""), port: port || "80" },
        failures: 0,
        leftOutUntilMs: 0,
      };
    });
  }

  /** Finds out who answers at all, so that an import into nowhere ends at once. */
  async probe(): Promise<void> {
    try {
      await Promise.any(this.targets.map((target) => this.exchange(target, "GET", "/health/live", NOTHING)));
    } catch {
      const urls = this.targets.map(({ url }) => url).join(", ");
      throw new CommandFailure(EXIT.unreachable, `no node answers: ${urls}; is the cluster up?`);
    }
  }

  /** `name`: the PUT counts once under it. */
  async put(path: string, body: Buffer, name?: string): Promise<Refusal> {
    const headers = name === undefined ? {} : { "Idempotency-Key": name };
    let last = "";
    let isUnreachable = false;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const target = this.nextTarget();
      try {
        const { status, body: reply } = await this.exchange(target, "PUT", path, body, headers);
        if (status >= 200 && status < 300) return undefined;
        if (REFUSED.has(status)) return detailOf(reply, status);
        last = `${target.url}: ${detailOf(reply, status)}`;
        if (!RETRYABLE.has(status)) throw new CommandFailure(EXIT.failure, last);
        isUnreachable = false;
      } catch (error) {
        if (error instanceof CommandFailure) throw error;
        last = `${target.url}: ${(error as Error).message}`;
        isUnreachable = true;
        if (this.hasSpare()) continue;
      }
      await sleep(backoffMs(attempt), undefined, { signal: this.stop });
    }
    const code = isUnreachable ? EXIT.unreachable : EXIT.levelNotMet;
    throw new CommandFailure(code, `${ATTEMPTS_MAX} attempts failed, the last at ${last}`);
  }

  close(): void {
    this.agent.destroy();
  }

  /** The next one in turn that is not left out; when all are, the one whose time is up first. */
  private nextTarget(): Target {
    const nowMs = performance.now();
    let soonest: Target | undefined;
    for (let step = 0; step < this.targets.length; step++) {
      const target = this.targets[(this.turn + step) % this.targets.length] as Target;
      if (target.leftOutUntilMs <= nowMs) {
        this.turn += step + 1;
        // One request finds out whether it is back; the others do not wait for it.
        if (target.failures > 0) target.leftOutUntilMs = nowMs + leftOutMs(target.failures);
        return target;
      }
      if (soonest === undefined || target.leftOutUntilMs < soonest.leftOutUntilMs) soonest = target;
    }
    return soonest as Target;
  }

  private hasSpare(): boolean {
    return this.targets.some(({ leftOutUntilMs }) => leftOutUntilMs <= performance.now());
  }

  private exchange(target: Target, method: string, path: string, body: Buffer, more: object = {}): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const always = { "Content-Type": "application/json", "Content-Length": body.length, "User-Agent": "murmur" };
      const headers = { ...always, ...more };
      const sent = request({ ...target.options, method, path, headers, agent: this.agent, timeout: SILENCE_MS_MAX });
      let [hasBegun, isOver] = [false, false];
      const fail = (error: NodeJS.ErrnoException) => {
        if (isOver) return;
        isOver = true;
        // A pooled connection that the node had just closed says nothing about the node.
        const wasIdle = sent.reusedSocket && !hasBegun && error.code === "ECONNRESET";
        if (!wasIdle) target.leftOutUntilMs = performance.now() + leftOutMs(++target.failures);
        sent.destroy();
        reject(error);
      };
      sent.on("timeout", () => fail(new Error("silent")));
      sent.on("error", fail);
      sent.on("response", (response) => {
        hasBegun = true;
        target.failures = 0;
        target.leftOutUntilMs = 0;
        // Where the connection ends inside of the body, the request itself hears nothing more.
        const onReply = (reply: Reply) => {
          isOver = true;
          resolve(reply);
        };
        readReply(response, onReply, fail);
      });
      sent.end(body);
    });
  }
}

function readReply(response: IncomingMessage, onReply: (reply: Reply) => void, onError: (error: Error) => void): void {
  let body = "";
  response.setEncoding("utf8");
  response.on("data", (text: string) => {
    if (body.length < REPLY_CHARACTERS_MAX) body += text;
  });
  response.on("error", onError);
  response.on("end", () => onReply({ status: response.statusCode ?? 0, body }));
}

function detailOf(reply: string, status: number): string {
  try {
    const { code, detail } = JSON.parse(reply) as { code?: string; detail?: string };
    return `${code}: ${detail}`;
  } catch {
    return `status ${status}`;
  }
}

function leftOutMs(failures: number): number {
  return Math.min(LEFT_OUT_MS_MAX, LEFT_OUT_MS_MIN * 2 ** Math.min(failures, 10));
}

/** Doubling, and spread over its upper half so that records do not come back in step. */
function backoffMs(attempt: number): number {
  return Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** attempt) * (0.5 + Math.random() / 2);
}
