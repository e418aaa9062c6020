/**
 * The calls that are not about one key: over axios, and the only module of the
 * client that knows it. Its traps are shut here: no proxy out of the
 * environment, no redirects, no decompression, no guessing at the answer, every
 * status an answer, and the deadline that of the whole answer.
 */
import { Agent } from "node:http";
import { createRequire } from "node:module";
import type { AxiosError, AxiosStatic } from "axios";
import { NEVER_SENT } from "../base/never-sent.js";
import type { ClientWorld } from "./world.js";

export interface RestQuestion {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  /** JSON. */
  readonly body?: string | undefined;
  readonly timeoutMs: number;
  readonly bytesMax: number;
}

export interface RestAnswer {
  readonly status: number;
  header(name: string): string | undefined;
  readonly body: Uint8Array;
}

/** Not an answer: the network's own failure. */
export class RestFailure extends Error {
  constructor(
    readonly reason: string,
    readonly wasSent: boolean,
    readonly isTimeout: boolean,
  ) {
    super(reason);
  }
}

export class Rest {
  private readonly agent: Agent;

  constructor(
    socketsMax: number,
    idleSocketMs: number,
    private readonly world: Pick<ClientWorld, "afterIdle" | "soon">,
  ) {
    this.agent = new Agent({ keepAlive: true, maxSockets: socketsMax, timeout: idleSocketMs });
  }

  /** Throws RestFailure when no answer comes, or not all of it in time. */
  async ask(url: string, question: RestQuestion, stop?: AbortSignal): Promise<RestAnswer> {
    const axios = loadAxios();
    const { method, path, body, bytesMax } = question;
    const clock = new Deadline(this.world, question.timeoutMs, stop);
    try {
      const { status, headers, data } = await axios.request<Uint8Array>({
        ...{ baseURL: url, url: path, method, signal: clock.signal },
        ...(body === undefined ? {} : { data: body }),
        headers: { "Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "murmur" },
        responseType: "arraybuffer",
        httpAgent: this.agent,
        ...{ proxy: false, maxRedirects: 0, decompress: false },
        ...{ maxBodyLength: Number.POSITIVE_INFINITY, maxContentLength: bytesMax },
        validateStatus: () => true,
        transformRequest: (data) => data,
      });
      const header = (name: string) => (typeof headers[name] === "string" ? headers[name] : undefined);
      return { status, header, body: data };
    } catch (error) {
      if (!axios.isAxiosError(error)) throw error;
      throw failureOf(error, clock.isOver);
    } finally {
      clock.forget();
    }
  }

  destroy(): void {
    this.agent.destroy();
  }
}

/** Ends a request when its time is over, or when nobody wants it any more: axios keeps its own timeout until an answer begins, and no longer. */
class Deadline {
  isOver = false;
  private readonly end = new AbortController();
  private readonly cancel: () => void;

  constructor(
    world: Pick<ClientWorld, "afterIdle" | "soon">,
    timeoutMs: number,
    private readonly stop: AbortSignal | undefined,
  ) {
    // What has already arrived is read first: a process that slept must not take its own sleep for silence.
    this.cancel = world.afterIdle(timeoutMs, () => world.soon(() => this.onLate()));
    stop?.addEventListener("abort", this.onStop);
    if (stop?.aborted) this.onStop();
  }

  get signal(): AbortSignal {
    return this.end.signal;
  }

  forget(): void {
    this.cancel();
    this.stop?.removeEventListener("abort", this.onStop);
  }

  private onLate(): void {
    this.isOver = !this.signal.aborted;
    this.end.abort();
  }

  private readonly onStop = (): void => {
    this.forget();
    this.end.abort();
  };
}

function failureOf({ code = "ERR_NETWORK" }: AxiosError, isOver: boolean): RestFailure {
  return new RestFailure(code, !NEVER_SENT.has(code), isOver || code === "ETIMEDOUT");
}

/** As CommonJS it is one file instead of eighty, and there in half the time. */
function loadAxios(): AxiosStatic {
  return createRequire(import.meta.url)("axios") as AxiosStatic;
}
