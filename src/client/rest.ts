/**
 * The calls that are not about one key: over axios, and the only module of the
 * client that knows it. Its traps are shut here: no proxy out of the
 * environment, no redirects, no decompression, no guessing at the answer, every
 * status an answer.
 */
import { Agent } from "node:http";
import { createRequire } from "node:module";
import type { AxiosError, AxiosStatic } from "axios";
import { NEVER_SENT } from "../base/never-sent.js";

export interface RestQuestion {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly json?: unknown;
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

  constructor(socketsMax: number, idleSocketMs: number) {
    this.agent = new Agent({ keepAlive: true, maxSockets: socketsMax, timeout: idleSocketMs });
  }

  /** Throws RestFailure when no answer comes. */
  async ask(url: string, question: RestQuestion, stop?: AbortSignal): Promise<RestAnswer> {
    const axios = loadAxios();
    const { method, path, json, timeoutMs, bytesMax } = question;
    try {
      const { status, headers, data } = await axios.request<Uint8Array>({
        ...{ baseURL: url, url: path, method, timeout: timeoutMs },
        ...(stop === undefined ? {} : { signal: stop }),
        ...(json === undefined ? {} : { data: JSON.stringify(json) }),
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
      throw failureOf(error);
    }
  }

  destroy(): void {
    this.agent.destroy();
  }
}

function failureOf({ code = "ERR_NETWORK" }: AxiosError): RestFailure {
  return new RestFailure(code, !NEVER_SENT.has(code), code === "ECONNABORTED" || code === "ETIMEDOUT");
}

/** As CommonJS it is one file instead of eighty, and there in half the time. */
function loadAxios(): AxiosStatic {
  return createRequire(import.meta.url)("axios") as AxiosStatic;
}
