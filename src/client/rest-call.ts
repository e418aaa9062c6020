/**
 * One call that is not about one key, through whichever node: the same rules of
 * repeating as for keys, without hedging.
 */
import { checkedTimeout } from "./arguments.js";
import type { Endpoint } from "./endpoint.js";
import { ClosedError, errorOf, type MurmurError } from "./errors.js";
import type { Abort } from "./options.js";
import { failureOf, refusalOf, type Told } from "./problem.js";
import { type RestAnswer, RestFailure } from "./rest.js";
import { backoffMs, restMsAfter, verdictOn } from "./retry.js";
import type { Shared } from "./shared.js";

interface Call {
  readonly method: "GET" | "POST" | "DELETE";
  /** Told how long the node may take. */
  path(timeoutMs: number): string;
  /** As JSON. */
  body?(timeoutMs: number): string;
  readonly isWrite: boolean;
  /** All that it writes has names: what of it is unknown may be asked for again. */
  readonly countsOnce?: boolean;
  readonly timeoutMs?: number;
  readonly signal?: Abort;
  /** Who was asked for the same before: whoever is asked now is added. */
  readonly tried?: Endpoint[];
}

interface Answered {
  readonly json: unknown;
  readonly node: string;
  /** An attempt before this one may have been applied, whatever is answered. */
  readonly isUnknown: boolean;
}

/** Rejects with a MurmurError, or with the signal's reason. */
export function askAny(shared: Shared, call: Call): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const timeoutMs = checkedTimeout(call.timeoutMs ?? shared.timeoutMs);
    if (call.signal?.aborted) return reject(call.signal.reason);
    shared.admit();
    const running = new RestCall(shared, call, timeoutMs);
    shared.underWay.add(running);
    running
      .run()
      .then(resolve, reject)
      .finally(() => {
        running.end();
        shared.underWay.delete(running);
      });
  });
}

class RestCall {
  private readonly deadlineMs: number;
  private readonly stop = new AbortController();
  private readonly tried: Endpoint[];
  /** Why it was ended from outside: by its caller or by the end of the client. */
  private ended: { readonly reason: unknown } | undefined;
  private retries = 0;
  /** What the node that was asked last was given of the time. */
  private nodeMs = 0;
  private isUnknown = false;

  constructor(
    private readonly shared: Shared,
    private readonly call: Call,
    private readonly timeoutMs: number,
  ) {
    this.deadlineMs = shared.world.nowMs() + timeoutMs;
    this.tried = call.tried ?? [];
    call.signal?.addEventListener("abort", this.onAbort);
  }

  close(): void {
    const facts = { code: "closed", detail: "the client was closed meanwhile", mayHaveApplied: this.call.isWrite };
    this.endWith(new ClosedError(facts));
  }

  end(): void {
    this.call.signal?.removeEventListener("abort", this.onAbort);
  }

  async run(): Promise<Answered> {
    const { fleet, limits, nodeLimits, retries, learner, world } = this.shared;
    if (this.tried.length === 0) retries.earn(limits.retryPercent);
    let endpoint = fleet.choose([], this.tried);
    for (;;) {
      this.tried.push(endpoint);
      const outcome = await this.ask(endpoint);
      if (this.ended !== undefined) throw this.ended.reason;
      if ("json" in outcome) return outcome;
      learner.hurry();
      const { failure, wasUnsent } = outcome;
      this.isUnknown ||= failure.mayHaveApplied;
      const error = errorOf({ ...failure, mayHaveApplied: this.isUnknown });
      if (failure.limits !== undefined) nodeLimits.onTold(failure.limits);
      if (this.tried.length >= limits.attemptsMax) throw error;
      if (failure.limits !== undefined && nodeLimits.isTooLong(this.nodeMs)) {
        endpoint = fleet.choose([], this.tried);
        continue;
      }
      const verdict = verdictOn(failure, wasUnsent, this.call.countsOnce);
      if (verdict === "never" || (verdict === "budget" && !retries.spend())) throw error;
      await this.wait(backoffMs(this.retries++, limits, world.random), error);
      endpoint = await this.next(error);
    }
  }

  /** Whom to ask again. When all were asked, whoever wants to be left alone is given its time. */
  private async next(error: MurmurError): Promise<Endpoint> {
    const { fleet, world } = this.shared;
    for (;;) {
      const endpoint = fleet.choose([], this.tried);
      const restMs = endpoint.restMs(world.nowMs());
      if (restMs === 0 || !this.tried.includes(endpoint)) return endpoint;
      await this.wait(restMs, error);
    }
  }

  private async ask(endpoint: Endpoint): Promise<Answered | Refused> {
    const { limits, nodeLimits, rest, world } = this.shared;
    const { method, path, isWrite } = this.call;
    const { url: node } = endpoint;
    const askedMs = world.nowMs();
    const leftMs = Math.max(1, this.deadlineMs - askedMs);
    const nodeMs = nodeLimits.timeoutMs(leftMs);
    this.nodeMs = nodeMs;
    const body = this.call.body?.(nodeMs);
    const question = { method, path: path(nodeMs), body, timeoutMs: leftMs, bytesMax: limits.answerBytesMax };
    try {
      return this.onAnswer(await rest.ask(node, question, this.stop.signal), endpoint);
    } catch (error) {
      if (!(error instanceof RestFailure)) throw error;
      const { wasSent, isTimeout, reason } = error;
      if (this.ended === undefined) {
        const ageMs = world.nowMs() - askedMs;
        endpoint.judge(isTimeout ? { kind: "silent", ageMs } : { kind: "broken", wasSent });
        endpoint.rest(world.nowMs(), limits.unavailableRestMs);
      }
      const failure = failureOf({ kind: "broken", wasSent, reason }, isWrite, node);
      if (!isTimeout) return { failure, wasUnsent: !wasSent };
      const late = { ...failure, code: "timeout", detail: `no answer within ${this.timeoutMs} ms` };
      return { failure: late, wasUnsent: false };
    }
  }

  private onAnswer({ status, header, body }: RestAnswer, endpoint: Endpoint): Answered | Refused {
    const { url: node } = endpoint;
    endpoint.judge({ kind: "answer", status, headers: { connection: header("connection") } });
    const json = status === 200 ? parsed(body) : undefined;
    if (json !== undefined) return { json, node, isUnknown: this.isUnknown };
    const { limits, world } = this.shared;
    const failure = refusalOf(status, header("retry-after"), body, this.call.isWrite, node);
    endpoint.rest(world.nowMs(), restMsAfter(failure, limits));
    return { failure, wasUnsent: false };
  }

  /** Throws `error` when there is no time left to try again. */
  private async wait(delayMs: number, error: MurmurError): Promise<void> {
    const { world } = this.shared;
    if (world.nowMs() + delayMs >= this.deadlineMs) throw error;
    await new Promise<void>((resolve) => {
      const cancel = world.after(delayMs, resolve);
      this.stop.signal.addEventListener("abort", () => {
        cancel();
        resolve();
      });
    });
    if (this.ended !== undefined) throw this.ended.reason;
  }

  private readonly onAbort = (): void => this.endWith(this.call.signal?.reason);

  private endWith(reason: unknown): void {
    this.ended ??= { reason };
    this.stop.abort();
  }
}

interface Refused {
  readonly failure: Told;
  readonly wasUnsent: boolean;
}

/** Every answer of a node's is an object. */
function parsed(body: Uint8Array): object | undefined {
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(body));
    return typeof json === "object" && json !== null ? json : undefined;
  } catch {
    return undefined;
  }
}
