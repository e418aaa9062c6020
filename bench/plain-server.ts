/**
 * The reference: the least that a key-value server on node:http does. A Map, no
 * checks, no replicas, no disk. What a node adds is measured against this.
 * In a process of its own, like a node.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";

const FILE = fileURLToPath(import.meta.url);

export class PlainServer {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
  ) {}

  /** Ready when it listens. */
  static async start(): Promise<PlainServer> {
    const child = fork(FILE);
    const [port] = await once(child, "message");
    return new PlainServer(child, port as number);
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  async close(): Promise<void> {
    const exited = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await exited;
  }
}

function serve(): void {
  const values = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    if (request.method === "PUT") put(values, request, response);
    else get(values, request, response);
  });
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
  process.once("disconnect", () => process.exit());
}

function get(values: ReadonlyMap<string, Buffer>, request: IncomingMessage, response: ServerResponse): void {
  const value = values.get(request.url ?? "");
  response.writeHead(value === undefined ? 404 : 200, { "Content-Length": value?.length ?? 0 });
  response.end(value);
}

function put(values: Map<string, Buffer>, request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    values.set(request.url ?? "", chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks));
    response.writeHead(204);
    response.end();
  });
}

if (process.argv[1] === FILE) serve();
