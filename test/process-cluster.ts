/** A cluster of real processes on free ports of this machine, in a folder that is thrown away. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Forked } from "../src/testing/forked.js";
import { freePorts } from "../src/testing/free-ports.js";

export const MAIN_FILE: string = fileURLToPath(new URL("../src/cli/main.js", import.meta.url));

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface ProcessClusterOptions {
  readonly nodes: number;
  readonly partitions?: number;
  /** More lines of the cluster file. */
  readonly lines?: readonly string[];
  /** Of the nodes' processes, beside that of this one. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Lines of a cluster file: a bucket of each type, by the names of this repository's own. */
export const TYPED_BUCKETS = [
  "buckets:",
  "  carts: { type: siblings }",
  "  visits: { type: counter }",
  "  tags: { type: set }",
  "  profiles: { type: map }",
  "  timelines: { type: row }",
  "  scores: { type: row, cells: counter }",
];

export class ProcessCluster {
  readonly folder = mkdtempSync(join(tmpdir(), "murmur-"));
  readonly file = join(this.folder, "cluster.yaml");
  readonly ids: readonly string[];
  private readonly running = new Map<string, Forked>();
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 64 });

  private constructor(
    private readonly options: ProcessClusterOptions,
    readonly ports: readonly number[],
  ) {
    this.ids = Array.from({ length: options.nodes }, (_, index) => `n${index + 1}`);
    this.writeFile(this.file, options);
  }

  static async create(options: ProcessClusterOptions): Promise<ProcessCluster> {
    return new ProcessCluster(options, await freePorts(2 * options.nodes));
  }

  /** Writes a cluster file over these ports; tests of disagreement write a second one. */
  writeFile(file: string, options: Partial<ProcessClusterOptions> & { cluster?: string; replication?: number }): void {
    const nodes = this.ids.map((id, index) => {
      const [http, peer] = [this.ports[2 * index], this.ports[2 * index + 1]];
      return `  - { id: ${id}, host: 127.0.0.1, http: ${http}, peer: ${peer} }`;
    });
    const head = [
      `cluster: ${options.cluster ?? "test"}`,
      `replication: ${options.replication ?? Math.min(3, this.ids.length)}`,
      `partitions: ${options.partitions ?? 64}`,
      `data: ${JSON.stringify(join(this.folder, "data"))}`,
    ];
    writeFileSync(file, `${[...head, ...(options.lines ?? []), "nodes:", ...nodes].join("\n")}\n`);
  }

  dataOf(id: string): string {
    return join(this.folder, "data", id);
  }

  url(id: string): string {
    return `http://127.0.0.1:${this.ports[2 * this.ids.indexOf(id)]}`;
  }

  peerPortOf(id: string): number {
    return this.ports[2 * this.ids.indexOf(id) + 1] as number;
  }

  async startAll(): Promise<void> {
    const down = this.ids.filter((id) => !this.running.has(id));
    await Promise.all(down.map((id) => this.start(id)));
    await this.allSeeAll();
  }

  async allSeeAll(): Promise<void> {
    await Promise.all([...this.running.keys()].map((id) => this.seesAll(id)));
  }

  /** Waits until a node sees every node that runs, or those named, and knows them to vote. */
  async seesAll(id: string, running: readonly string[] = [...this.running.keys()]): Promise<void> {
    const nodesSeen = async (): Promise<{ node: string; state: string; rebuilding?: number }[]> =>
      JSON.parse(String((await this.call("GET", id, "/v1/cluster")).body)).nodes;
    const isThere = (node: { state: string; rebuilding?: number }) => node.state === "up" && node.rebuilding === 0;
    await until(nodesSeen, (nodes) => nodes.every((node) => !running.includes(node.node) || isThere(node)));
  }

  /** Starts a node and waits until it is ready. Rejects with its last words if it never is. */
  async start(id: string): Promise<void> {
    await this.startAs(id, id, this.file);
  }

  /** Starts a process that says it is `id`, by another file or in another folder, and is known here as `name`. */
  async startAs(name: string, id: string, file: string, more: readonly string[] = []): Promise<void> {
    const argv = ["node", id, "--config", file, ...more];
    const forked = new Forked(MAIN_FILE, argv, { env: this.options.env ?? {} });
    this.running.set(name, forked);
    const report = await forked.firstMessage<{ type: string; message?: string }>();
    if (report?.type === "ready") return;
    this.running.delete(name);
    await forked.ended;
    throw new Error(report?.message ?? forked.lastLines);
  }

  /** kill -9, or another signal; waits until the process is gone. */
  async kill(id: string, signal: NodeJS.Signals = "SIGKILL"): Promise<number | null> {
    const running = this.running.get(id);
    if (running === undefined) throw new Error(`${id} does not run`);
    this.running.delete(id);
    running.signal(signal);
    await running.ended;
    return running.exitCode;
  }

  signal(id: string, signal: NodeJS.Signals): void {
    this.running.get(id)?.signal(signal);
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.running.keys()].map((id) => this.kill(id)));
  }

  call(method: string, id: string, path: string, body?: Uint8Array, headers = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      // The path as it is: a URL object would resolve `..` before it is sent.
      const { hostname, port } = new URL(this.url(id));
      const options = { hostname, port, path, method, headers, agent: this.agent };
      const sent = request(options, (response) => collect(response, resolve, reject));
      sent.on("error", (error) => reject(this.withLastWords(id, error)));
      sent.end(body);
    });
  }

  /** Why nobody answers, where a process has ended by itself. */
  private withLastWords(id: string, error: Error): Error {
    const forked = this.running.get(id);
    return forked?.hasEnded === true
      ? new Error(`${id} ended by itself: ${forked.lastLines}`, { cause: error })
      : error;
  }

  put(id: string, bucket: string, key: string | Buffer, value: string | Buffer, query = ""): Promise<Answer> {
    return this.call("PUT", id, `${keyPath(bucket, key)}${query}`, Buffer.from(value as string));
  }

  get(id: string, bucket: string, key: string | Buffer, query = ""): Promise<Answer> {
    return this.call("GET", id, `${keyPath(bucket, key)}${query}`);
  }

  /** A command of the CLI against this cluster, to its end. */
  async command(argv: readonly string[], input?: string): Promise<{ code: number | null; out: string; err: string }> {
    const child = spawn(process.execPath, [MAIN_FILE, ...argv, "--config", this.file]);
    const text = { out: "", err: "" };
    child.stdout.on("data", (chunk) => {
      text.out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      text.err += chunk;
    });
    child.stdin.end(input);
    await once(child, "close");
    return { code: child.exitCode, ...text };
  }

  async close(): Promise<void> {
    await this.killAll();
    this.agent.destroy();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function keyPath(bucket: string, key: string | Buffer): string {
  return `/v1/buckets/${bucket}/keys64/${Buffer.from(key as string).toString("base64url")}`;
}

function collect(response: IncomingMessage, resolve: (answer: Answer) => void, reject: (error: Error) => void): void {
  const chunks: Buffer[] = [];
  response.on("data", (chunk) => chunks.push(chunk));
  response.on("error", reject);
  response.on("end", () =>
    resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
  );
}

/** Runs `work` over all items, so many at a time. */
export async function eachOf<Item>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) await work(items[index] as Item, index);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** Asks again until the answer pleases. A test's own time limit ends what never comes. */
export async function until<Result>(ask: () => Promise<Result>, isDone: (result: Result) => boolean): Promise<Result> {
  for (;;) {
    const result = await ask();
    if (isDone(result)) return result;
    await new Promise((resume) => setImmediate(resume));
  }
}
