/**
 * A cluster as a command reaches it: over HTTP, through the first of its nodes
 * that answers. The only module that knows axios.
 *
 * A request goes to the next node when it certainly never left, when the node
 * says that it serves nobody at present, or when asking twice does no harm. A write that left and got no answer is reported as
 * unknown: it is not silently written a second time.
 */
import { Agent } from "node:http";
import { createRequire } from "node:module";
import type { AxiosResponse, AxiosStatic } from "axios";
import { authority } from "../base/authority.js";
import { TIMER_MS_MAX } from "../base/duration.js";
import { NEVER_SENT } from "../base/never-sent.js";
import type { ClusterConfig, NodeConfig } from "../cluster-config.js";
import { CommandFailure, EXIT, type ExitCode, usage } from "./exit.js";

/** The options by which every command says which cluster it means. */
export interface ClusterOptions {
  readonly config?: string;
  readonly node?: string;
  readonly json?: boolean;
}

export interface Question {
  readonly method: "GET" | "PUT" | "DELETE" | "POST";
  /** Asking twice does no harm although it is no GET. */
  readonly isRepeatable?: boolean;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface Answer {
  readonly url: string;
  readonly status: number;
  readonly body: Buffer;
  readonly elapsedMs: number;
  header(name: string): string;
}

/** The node waits for its replicas first; beyond that it is as good as gone. */
const PATIENCE_BEYOND_DEADLINE_MS = 1000;
export const PATIENCE_MS = 5000;

export class Cluster {
  private readonly agent = new Agent({ keepAlive: true });

  constructor(
    /** Base URLs of its nodes, tried in this order. */
    readonly urls: readonly string[],
    private readonly patienceMs: number,
  ) {}

  /** The answer of the first node that serves, whatever its status; when none does, what the first of them said instead. */
  async ask(question: Question): Promise<Answer> {
    const axios = loadAxios();
    const failures: string[] = [];
    let idle: Answer | undefined;
    for (const url of this.urls) {
      const started = performance.now();
      try {
        const response = await this.send(axios, url, question);
        const answer = answerOf(url, response, performance.now() - started);
        if (!servesNobody(answer)) return answer;
        idle ??= answer;
      } catch (error) {
        if (!axios.isAxiosError(error)) throw error;
        const code = error.code ?? "ERR_NETWORK";
        failures.push(`${url} (${reasonOf(code)})`);
        if (question.method === "GET" || question.isRepeatable || NEVER_SENT.has(code)) continue;
        const sentence = `${url} took the request and did not answer (${reasonOf(code)}): it may have been applied`;
        throw new CommandFailure(EXIT.unreachable, sentence, { code: "unreachable", mayHaveApplied: true });
      }
    }
    if (idle !== undefined) return idle;
    throw new Unanswered(failures);
  }

  private send(axios: AxiosStatic, url: string, question: Question): Promise<AxiosResponse<Buffer>> {
    return axios.request<Buffer>({
      baseURL: url,
      url: question.path,
      method: question.method,
      params: question.query,
      // A node takes a plus for a plus: axios by itself writes one for a space.
      paramsSerializer: { encode: encodeURIComponent },
      headers: { "User-Agent": "murmur", "Accept-Encoding": "identity", ...question.headers },
      data: question.body,
      responseType: "arraybuffer",
      timeout: Math.min(this.patienceMs, TIMER_MS_MAX),
      httpAgent: this.agent,
      proxy: false,
      maxRedirects: 0,
      decompress: false,
      maxBodyLength: Number.POSITIVE_INFINITY,
      maxContentLength: Number.POSITIVE_INFINITY,
      validateStatus: () => true,
      transformRequest: (data) => data,
    });
  }
}

/** As CommonJS it is one file instead of eighty, and there in half the time. */
function loadAxios(): AxiosStatic {
  return createRequire(import.meta.url)("axios") as AxiosStatic;
}

export async function openCluster(options: ClusterOptions, timeoutMs?: number): Promise<Cluster> {
  const beyond = (deadlineMs: number) => deadlineMs + PATIENCE_BEYOND_DEADLINE_MS;
  if (options.node !== undefined) {
    return new Cluster([nodeUrl(options.node)], timeoutMs === undefined ? PATIENCE_MS : beyond(timeoutMs));
  }
  const config = await configOf(options);
  return new Cluster(config.nodes.map(urlOf), beyond(timeoutMs ?? config.limits.requestDeadlineMs));
}

/** A node by itself, for what each must be asked. */
export interface Target {
  /** Its id; of `--node` its URL, as long as it has not said who it is. */
  readonly node: string;
  readonly url: string;
}

/** All nodes of the file, or the one given. */
export async function targetsOf(options: ClusterOptions): Promise<readonly Target[]> {
  if (options.node !== undefined) return [{ node: nodeUrl(options.node), url: nodeUrl(options.node) }];
  return (await configOf(options)).nodes.map((node) => ({ node: node.id, url: urlOf(node) }));
}

/** The file is read only when it is needed: reading it takes longer than most requests. */
async function configOf(options: ClusterOptions): Promise<ClusterConfig> {
  const { configPath, loadConfig } = await import("./config.js");
  return loadConfig(configPath(options.config));
}

/** The base URL of a node. */
export function urlOf({ host, http }: Pick<NodeConfig, "host" | "http">): string {
  return `http://${authority(host, http)}`;
}

/** `--node` as a base URL: `127.0.0.1:8101` will do. */
function nodeUrl(given: string): string {
  const text = given.includes("://") ? given : `http://${given}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" && url.hostname !== "") return url.origin;
  throw usage(`--node: expected a URL such as http://127.0.0.1:8101, found ${JSON.stringify(given)}`);
}

/** The answer's JSON. Anything else than JSON did not come from a node of ours. */
export function jsonOf(answer: Answer): unknown {
  try {
    return JSON.parse(answer.body.toString("utf8"));
  } catch {
    throw new CommandFailure(
      EXIT.failure,
      `${answer.url} answered ${answer.status} without JSON: is it a murmur node?`,
    );
  }
}

/** The JSON of a question about the cluster, or the failure its problem describes. */
export async function askJson<Status>(cluster: Cluster, question: string | Question): Promise<Status> {
  const answer = await cluster.ask(typeof question === "string" ? { method: "GET", path: question } : question);
  if (answer.status !== 200) throw problemFailure(answer);
  return jsonOf(answer) as Status;
}

/** Nobody who was tried has answered; nothing was done. */
export class Unanswered extends CommandFailure {
  /** `tried`: each address, and why not. */
  constructor(readonly tried: readonly string[]) {
    const sentence = `no node answers: ${tried.join(", ")}; is the cluster up?`;
    super(EXIT.unreachable, sentence, { code: "unreachable", mayHaveApplied: false });
  }
}

interface Problem {
  readonly code?: string;
  readonly detail?: string;
  readonly mayHaveApplied?: boolean;
}

/** Whatever is about the cluster and not about the request: the same command may succeed another time. */
const LEVEL_NOT_MET = new Set([
  "unavailable",
  "timeout",
  "failed",
  "overloaded",
  "draining",
  "clock-skew",
  "disk-full",
]);
/** Of one node, whatever it is asked for; it has done nothing. */
const SERVES_NOBODY = new Set(["draining", "clock-skew"]);

/** Any answer that is a refusal, as the end of the command. */
export function problemFailure(answer: Answer): CommandFailure {
  const problem = jsonOf(answer) as Problem;
  const { code = `status ${answer.status}`, detail = "", mayHaveApplied } = problem;
  const doubt = mayHaveApplied ? "; it may have been applied" : "";
  return new CommandFailure(exitCodeOf(code), `${code}: ${detail}${doubt}`, problem);
}

/** The end of a command that was refused with this code. */
export function exitCodeOf(code: string): ExitCode {
  if (LEVEL_NOT_MET.has(code)) return EXIT.levelNotMet;
  if (code === "too-many-siblings") return EXIT.siblings;
  return code === "bad-request" ? EXIT.usage : EXIT.failure;
}

function servesNobody(answer: Answer): boolean {
  if (answer.status !== 503) return false;
  try {
    return SERVES_NOBODY.has((JSON.parse(answer.body.toString("utf8")) as Problem).code ?? "");
  } catch {
    return false;
  }
}

function answerOf(url: string, response: AxiosResponse<Buffer>, elapsedMs: number): Answer {
  return {
    url,
    status: response.status,
    body: response.data,
    elapsedMs,
    header: (name) => String(response.headers[name] ?? ""),
  };
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "refused",
  ECONNABORTED: "silent",
  ETIMEDOUT: "silent",
  ECONNRESET: "hung up",
  ENOTFOUND: "unknown host",
};

/** Why a connection failed, in words. */
export function reasonOf(code = "ERR_NETWORK"): string {
  return REASONS[code] ?? code;
}
