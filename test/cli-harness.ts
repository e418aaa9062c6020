/**
 * What the tests of the command share: the real command in a process of its
 * own, and a node that speaks the HTTP contract, holds its keys in a Map, and
 * misbehaves when told to.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const MAIN: string = fileURLToPath(new URL("../src/cli/main.js", import.meta.url));

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<Ran>;
}

/** A folder that is removed when the process of the tests ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "murmur-cli-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const elsewhere = temporaryFolder();

/** Starts `murmur` with these words, in a folder without a cluster.yaml. */
export function start(words: readonly string[], environment: Readonly<Record<string, string>> = {}): Running {
  const { MURMUR_CONFIG: _config, NO_COLOR: _colour, npm_lifecycle_event: _npm, ...env } = process.env;
  const child = spawn(process.execPath, [MAIN, ...words], { cwd: elsewhere, env: { ...env, ...environment } });
  const chunks: Record<"stdout" | "stderr", string[]> = { stdout: [], stderr: [] };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => chunks[name].push(text));
  }
  const ended = new Promise<Ran>((resolve) => {
    child.once("close", (code) => resolve({ code, stdout: chunks.stdout.join(""), stderr: chunks.stderr.join("") }));
  });
  return { process: child, ended };
}

export function murmur(words: readonly string[], input?: string | Uint8Array): Promise<Ran> {
  const { process: child, ended } = start(words);
  child.stdin?.end(input);
  return ended;
}

/** One request as it came, with the path as it stood in the request line. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

interface Kept {
  readonly value: Buffer;
  readonly contentType: string;
}

/** Answers a request instead of the node, or says nothing by returning false. */
type Instead = (asked: Asked, response: ServerResponse) => boolean;

const CONTEXT = "Y29udGV4dA";
const KEY_PATH = /^\/v1\/(?:buckets\/)?([^/]+)\/(keys|keys64)\/([^/]+)$/;

export class FakeNode {
  /** By `bucket/key`. */
  readonly keys = new Map<string, Kept>();
  readonly asked: Asked[] = [];
  instead: Instead = () => false;
  /** Told of the cluster, whatever happens instead of other answers; undefined: that is a question like any other. */
  buckets: readonly { readonly bucket: string; readonly type: string }[] | undefined;
  private readonly server: Server;

  private constructor() {
    this.server = createServer((request, response) => this.take(request, response));
  }

  static async start(port = 0): Promise<FakeNode> {
    const node = new FakeNode();
    await new Promise<void>((resolve) => node.server.listen(port, "127.0.0.1", resolve));
    return node;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get last(): Asked {
    const asked = this.asked.at(-1);
    if (asked === undefined) throw new Error("the node was not asked");
    return asked;
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => {
      this.server.close(() => resolve());
    });
  }

  private take(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const [path = "", query = ""] = (request.url ?? "").split("?");
      const method = request.method ?? "";
      const asked = {
        method,
        path,
        // As a node reads it: a plus is a plus.
        query: new URLSearchParams(query.replaceAll("+", "%2B")),
        headers: request.headers,
        body: Buffer.concat(chunks),
      };
      if (path.startsWith("/health/")) return reply(response, 200, {});
      if (path === "/v1/cluster" && this.buckets !== undefined) {
        return reply(response, 200, { buckets: this.buckets, defaults: { type: "register" } });
      }
      this.asked.push(asked);
      return this.instead(asked, response) || this.answer(asked, response);
    });
  }

  private answer(asked: Asked, response: ServerResponse): void {
    const [, bucket = "", form, name = ""] = KEY_PATH.exec(asked.path) ?? [];
    if (form === undefined) {
      reply(response, 404, {});
      return;
    }
    const key = form === "keys64" ? Buffer.from(name, "base64url").toString("utf8") : decodeURIComponent(name);
    const id = `${bucket}/${key}`;
    if (asked.method === "GET") {
      const kept = this.keys.get(id);
      reply(response, kept === undefined ? 404 : 200, envelope(bucket, key, kept));
      return;
    }
    if (asked.method === "DELETE") this.keys.delete(id);
    else this.keys.set(id, { value: asked.body, contentType: asked.headers["content-type"] ?? "" });
    const timing =
      'n1;dur=0.4;desc="self same", n2;start=0.5;dur=1.25;desc="first same", n3;start=0.5;desc="late pending"';
    response.writeHead(204, { "Murmur-Context": CONTEXT, "Server-Timing": timing }).end();
  }
}

function envelope(bucket: string, key: string, kept: Kept | undefined): object {
  return {
    bucket,
    key,
    found: kept !== undefined,
    ...(kept === undefined ? {} : { value: kept.value.toString("base64"), contentType: kept.contentType }),
    siblings: [],
    context: CONTEXT,
    level: "QUORUM",
    replicas: [
      { node: "n1", ms: 0.4, askedMs: 0, role: "self", state: "same" },
      { node: "n2", ms: 1.2, askedMs: 0.1, role: "first", state: "behind" },
      { node: "n3", ms: null, askedMs: 0.1, role: "late", state: "pending" },
    ],
    mended: ["n2"],
  };
}

export function reply(response: ServerResponse, status: number, json: object): true {
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(json));
  return true;
}

export function problem(response: ServerResponse, status: number, code: string, mayHaveApplied = false): true {
  return reply(response, status, { status, code, detail: "2 of 3 needed", level: "QUORUM", mayHaveApplied });
}

/** Three nodes of one cluster file, which answer by their index. */
export async function startThree(
  instead: (index: number, asked: Asked, response: ServerResponse) => boolean,
): Promise<{ readonly nodes: readonly FakeNode[]; readonly file: string; stop(): Promise<unknown> }> {
  const nodes = [await FakeNode.start(), await FakeNode.start(), await FakeNode.start()];
  for (const [index, node] of nodes.entries()) node.instead = (asked, response) => instead(index, asked, response);
  const ports = nodes.map(({ port }) => port);
  const stop = () => Promise.all(nodes.map((node) => node.stop()));
  return { nodes, file: clusterFile(temporaryFolder(), ports), stop };
}

/** A cluster file whose nodes listen on these ports; the peers' ports are never opened. */
export function clusterFile(folder: string, ports: readonly number[]): string {
  const path = join(folder, "cluster.yaml");
  const peers = new Set(ports);
  const nodes = ports.map((port, index) => {
    const peer = [1, 2, 3, 4, 5].map((step) => 100 * step + index).find((candidate) => !peers.has(candidate));
    return `  - { id: n${index + 1}, host: 127.0.0.1, http: ${port}, peer: ${peer} }`;
  });
  writeFileSync(path, `cluster: demo\nreplication: 1\nnodes:\n${nodes.join("\n")}\n`);
  return path;
}
