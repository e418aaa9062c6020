/**
 * The HTTP edge of one node: one node:http server, the guard in front, keys to
 * their own handler, all else to Express.
 *
 * Every wait and every amount has a bound here: connections, header bytes, the
 * time a request may take to arrive, and the time a stopping node waits.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { listenError } from "../base/listen-error.js";
import type { ClusterConfig, NodeConfig } from "../cluster-config.js";
import type { Limits } from "../config.js";
import type { Log } from "../ports.js";
import { createAdmin, type Readiness } from "./admin.js";
import { handleBatch } from "./batch.js";
import { Drain } from "./drain.js";
import { Edge, type Scraped } from "./edge.js";
import { Events } from "./events.js";
import { Gate } from "./gate.js";
import { bindRefusal, Guard } from "./guard.js";
import { handleKey } from "./keys.js";
import { handleList } from "./list.js";
import type { Mergers } from "./merging.js";
import { onConnectMethod, onParseError } from "./parse-errors.js";
import { badRequest, Problem } from "./problem.js";
import { handleRange } from "./range.js";
import { refuse } from "./respond.js";
import type { Store } from "./store.js";
import { Unturned } from "./unturned.js";

export interface HttpServerOptions {
  readonly store: Store;
  readonly config: ClusterConfig;
  readonly node: NodeConfig;
  readonly meter: Scraped;
  readonly log: Log;
  readonly limits: Limits;
  ready(): Readiness;
  /** Milliseconds since 1970, for expiry; the world's clock where that has an offset. */
  readonly wallMs?: () => number;
  /** Who runs users' merge functions. */
  readonly mergers?: Mergers;
}

export interface HttpServer {
  /** Starts to listen; an error says why it cannot, and what to do. */
  listen(onListening: (error?: Error) => void): void;
  /** The port listened on: the one of the configuration, or the one given for 0. */
  readonly port: number;
  /** Accepts nothing new, finishes what is under way, cuts off what takes longer than drainMsMax. */
  drain(onDrained: () => void): void;
}

/** Of data, the most asked for first: past Express, which would cost a batch more than its parsing. */
const HANDLERS = [handleKey, handleBatch, handleRange, handleList];

/** How often waiting requests are looked at. */
const CHECK_INTERVAL_MS = 2_000;

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { store, config, limits, meter, log, node } = options;
  const edge = new Edge(store, config, limits, meter, log, options.wallMs ?? Date.now, options.mergers);
  const gate = new Gate(limits, meter);
  const guard = new Guard(node, config.security);
  const unturned = new Unturned();
  const events = new Events(edge, meter);
  const serveRest = createAdmin({ edge, events, meter, log, ready: () => options.ready(), gauge });
  const refusedBind = bindRefusal(node.bind);

  const server = createServer(serverOptions(limits), onRequest);
  server.maxConnections = limits.connectionsMax;
  const drain = new Drain(server, edge);
  // Whoever takes a body says "100 Continue" only when all but the body was found good.
  server.on("checkContinue", (request, response) => {
    const takesBody = request.method === "PUT" || request.method === "POST";
    if (!takesBody && !isOver(request)) response.writeContinue();
    onRequest(request, response);
  });
  server.on("checkExpectation", (request, response) => {
    if (isOver(request)) return;
    refuse(edge, request, response, new Problem("expectation-failed", "the only expectation met is 100-continue"));
  });
  server.on("clientError", (error, socket) => onParseError(edge, error, socket as Socket));
  server.on("connect", (_request, socket) => onConnectMethod(edge, socket as Socket));

  /** What is under way; whoever looks at the metrics looks at itself too. */
  function gauge(): void {
    edge.gauge();
    meter.gauge("murmur_requests_admitted", gate.pending);
    meter.gauge("murmur_connections", drain.open);
  }

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    if (isOver(request)) return;
    unturned.add(request, response);
    gate.admit(
      request,
      response,
      () => serve(request, response),
      (problem) => refuse(edge, request, response, problem),
    );
  }

  function serve(request: IncomingMessage, response: ServerResponse): void {
    const refusal = guard.refusal(request) ?? targetRefusal(request.url as string, limits.targetBytesMax);
    if (refusal !== undefined) refuse(edge, request, response, refusal);
    else if (!HANDLERS.some((handle) => handle(edge, request, response))) serveRest(request, response);
  }

  return {
    listen(onListening) {
      if (refusedBind === undefined) listen(server, node, limits, log, onListening);
      else setImmediate(onListening, refusedBind);
    },
    get port() {
      return (server.address() as AddressInfo | null)?.port ?? node.http;
    },
    drain(onDrained) {
      edge.draining = true;
      gate.close();
      events.close();
      drain.begin(onDrained);
    },
  };
}

/**
 * Whether a request came after the last word on its connection, or after its end: it is not looked at. node:http
 * parses on behind both, and would let the answer jump the queue of those that still wait there.
 */
function isOver({ socket }: IncomingMessage): boolean {
  return socket.writableEnded || socket.destroyed;
}

function serverOptions(limits: Limits): Parameters<typeof createServer>[0] {
  return {
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersDeadlineMs,
    requestTimeout: limits.bodyDeadlineMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: CHECK_INTERVAL_MS,
    // The guard answers a missing Host itself, with a problem.
    requireHostHeader: false,
  };
}

/** The raw request line is taken as it is, so it has to be a path. */
function targetRefusal(target: string, bytesMax: number): Problem | undefined {
  if (!target.startsWith("/")) return badRequest("the request line needs a path that begins with /");
  if (target.length <= bytesMax) return undefined;
  return new Problem("uri-too-long", `an address is at most ${bytesMax} characters`);
}

function listen(
  server: Server,
  node: NodeConfig,
  limits: Limits,
  log: Log,
  onListening: (error?: Error) => void,
): void {
  const { id, bind, http: port } = node;
  const onError = (error: Error) =>
    onListening(listenError({ node: id, purpose: "clients", field: "http", bind, port }, error));
  server.once("error", onError);
  server.listen(port, bind, limits.connectionsPendingMax, () => {
    server.off("error", onError);
    server.on("error", (error) => log.warn("the HTTP server reports an error", { error: error.message }));
    onListening();
  });
}
