/**
 * Everything that is not about one key: how the cluster is, who owns what,
 * health, metrics, and the description of it all. Express serves it; nothing
 * here is hot.
 *
 * Express is loaded with the first such request: it costs a node more time to
 * start, and more memory, than the rest of its edge.
 *
 * Whatever no route answers, or goes wrong in one, ends in `onUnserved`, so
 * that Express's own pages, which are HTML and may hold a stack, never get out.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Express } from "express";
import type { Log } from "../ports.js";
import { ownersAddress, splitTarget } from "./address.js";
import { answerConflicts } from "./conflicts.js";
import type { Edge, Scraped } from "./edge.js";
import type { Events } from "./events.js";
import { answerHints, flushHints } from "./hints.js";
import { openApi } from "./openapi.js";
import { badRequest, methodNotAllowed, Problem } from "./problem.js";
import { answerRepair, beginRepair } from "./repair.js";
import { refuse, sendJson, sendText } from "./respond.js";

export interface Readiness {
  readonly ready: boolean;
  readonly detail: object;
}

export interface AdminOptions {
  readonly edge: Edge;
  readonly events: Events;
  readonly meter: Scraped;
  readonly log: Log;
  ready(): Readiness;
  /** Sets the gauges of what is under way now. */
  gauge(): void;
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** Answers every request that `handleKey` does not. */
export function createAdmin(options: AdminOptions): (request: IncomingMessage, response: ServerResponse) => void {
  let application: Promise<Express> | undefined;
  return (request, response) => {
    application ??= createApplication(options);
    application.then(
      // Express's types know no third argument; it is where a request goes that nothing has answered.
      (app) => (app as unknown as Serve)(request, response, (error) => onUnserved(options, request, response, error)),
      (error: unknown) => onUnserved(options, request, response, error),
    );
  };
}

type Serve = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

async function createApplication(options: AdminOptions): Promise<Express> {
  const { edge } = options;
  const { default: express } = await import("express");
  const app = express();
  app.disable("etag").disable("x-powered-by").enable("case sensitive routing").enable("strict routing");
  app.set("query parser", false);
  app.use(await hardening());
  app.post("/v1/repair", (request, response) => beginRepair(edge, request, response));
  addRoute(app, edge, "/v1/repair", (_request, response) => answerRepair(edge, response), "GET, HEAD, POST");
  for (const [path, answer] of routes(options)) addRoute(app, edge, path, answer);
  addPost(app, edge, "/v1/hints/flush", (request, response) => flushHints(edge, request, response));
  return app;
}

function addRoute(app: Express, edge: Edge, path: string | RegExp, answer: Answer, allowed = "GET, HEAD"): void {
  app.get(path, answer);
  app.all(path, (request, response) => {
    refuse(edge, request, response, methodNotAllowed(request.method, allowed));
  });
}

function addPost(app: Express, edge: Edge, path: string, answer: Answer): void {
  app.post(path, answer);
  app.all(path, (request, response) => {
    refuse(edge, request, response, methodNotAllowed(request.method, "POST"));
  });
}

function routes(options: AdminOptions): readonly (readonly [string | RegExp, Answer])[] {
  const { edge, events, ready } = options;
  const { store } = edge;
  return [
    ["/", (_request, response) => sendJson(edge, response, 200, index(edge))],
    ["/v1/cluster", (_request, response) => sendJson(edge, response, 200, store.cluster())],
    ["/v1/ring", (_request, response) => sendJson(edge, response, 200, store.ring())],
    [/^\/v1\/owners(?:64)?\//, (request, response) => answerOwners(edge, request, response)],
    ["/v1/latency", (_request, response) => sendJson(edge, response, 200, store.latency())],
    ["/v1/top", (_request, response) => sendJson(edge, response, 200, store.top())],
    ["/v1/hints", (_request, response) => answerHints(edge, response)],
    ["/v1/conflicts", (request, response) => answerConflicts(edge, request, response)],
    ["/v1/events", (request, response) => events.answer(request, response)],
    ["/health/live", (_request, response) => sendJson(edge, response, 200, { live: true })],
    [
      "/health/ready",
      (_request, response) => {
        const { ready: isReady, detail } = ready();
        const answered = { ready: isReady && !edge.draining, draining: edge.draining, ...detail };
        sendJson(edge, response, answered.ready ? 200 : 503, answered);
      },
    ],
    ["/metrics", (_request, response) => answerMetrics(options, response)],
    [
      "/openapi.json",
      (_request, response) => sendJson(edge, response, 200, openApi(store.cluster().version, edge.limits)),
    ],
  ];
}

async function answerMetrics({ edge, gauge, meter }: AdminOptions, response: ServerResponse): Promise<void> {
  gauge();
  sendText(edge, response, 200, METRICS_TYPE, await meter.text());
}

function answerOwners(edge: Edge, request: IncomingMessage, response: ServerResponse): void {
  const { path } = splitTarget(request.url as string);
  const address = ownersAddress(path, edge.limits.keyBytesMax);
  if (address === undefined) refuse(edge, request, response, NO_SUCH_PATH);
  else if (address instanceof Problem) refuse(edge, request, response, address);
  else sendJson(edge, response, 200, edge.store.owners(address.bucket, address.key));
}

/** A short page for whoever opens the node's address. */
function index(edge: Edge): object {
  const { cluster, version } = edge.store.cluster();
  return {
    name: "MurmurDB",
    version,
    cluster,
    node: edge.store.self,
    keys: "/v1/buckets/{bucket}/keys/{key}",
    list: "/v1/buckets/{bucket}/keys",
    batch: "/v1/batch",
    owners: "/v1/owners/{bucket}/{key}",
    links: [
      "/v1/cluster",
      "/v1/ring",
      "/v1/latency",
      "/v1/hints",
      "/v1/repair",
      "/v1/top",
      "/v1/conflicts",
      "/v1/events",
      "/health/live",
      "/health/ready",
      "/metrics",
      "/openapi.json",
    ],
  };
}

/** Of the text format of Prometheus. */
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";
const NO_SUCH_PATH = new Problem("not-found", "no such path; /openapi.json lists all there are");

function onUnserved(
  { edge, log }: AdminOptions,
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
): void {
  if (response.headersSent) response.destroy();
  else refuse(edge, request, response, problemOfUnserved(request, error, log));
}

function problemOfUnserved(request: IncomingMessage, error: unknown, log: Log): Problem {
  if (error === undefined || error === null) return NO_SUCH_PATH;
  if (error instanceof URIError) return badRequest("the path is not percent-encoded UTF-8");
  log.warn("a request to an administrative path failed inside", { path: request.url, error: String(error) });
  return new Problem("internal", "the log of this node says more");
}

/** JSON and text need nothing of a browser. HSTS is left out: without TLS here it would be a lie. */
async function hardening(): Promise<ReturnType<typeof import("helmet").default>> {
  const { default: helmet } = await import("helmet");
  return helmet({
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    strictTransportSecurity: false,
  });
}
