/**
 * The ways in: one node asked once over plain HTTP, and the client that is
 * shipped. Both give what came of a request in the three values of the
 * contract: it happened, it did not, or nobody can know.
 */
import { Agent, type IncomingMessage, request } from "node:http";
import { asBuffer, utf8 } from "../src/base/bytes.js";
import { keyPath } from "../src/base/key-path.js";
import { MurmurClient, MurmurError } from "../src/client/client.js";
import { type Context, decodeContext, encodeContext, isEmptyContext } from "../src/lattice/context.js";
import type { View } from "../src/lattice/lattice.js";
import { BUCKET } from "./cluster.js";

export interface Wish {
  readonly kind: "read" | "put" | "delete";
  readonly key: string;
  readonly level: string;
  readonly value: string | undefined;
  readonly ttlMs: number | undefined;
  readonly context: Context;
  readonly timeoutMs: number;
}

/** `code`: of the problem that was answered, or of the connection that failed. */
export type Answer =
  | { readonly kind: "ok"; readonly view: View }
  | { readonly kind: "unknown" | "refused"; readonly code: string }
  /** What no client may ever see. */
  | { readonly kind: "wrong"; readonly code: string };

export interface Door {
  /** The node asked; undefined: it is chosen anew for each try. */
  readonly node: string | undefined;
  readonly name: string;
  ask(wish: Wish): Promise<Answer>;
  close(): Promise<void>;
}

/** A node may be stopped in its tracks: nobody waits for it longer than this beyond the deadline. */
const PATIENCE_MS = 500;
const REFUSALS = new Set([503, 504, 507]);
/** What a node whose clock was far ahead gave away is refused by the others (API: contexts too far ahead are 400). */
const CONTEXT_AHEAD = /from too far in the future/;
const METHODS = { read: "GET", put: "PUT", delete: "DELETE" } as const;

export function plainDoor(node: string, url: string): Door {
  const agent = new Agent({ keepAlive: true });
  const { hostname, port } = new URL(url);
  return {
    node,
    name: "one node, once",
    ask: (wish) =>
      new Promise((resolve) => {
        const options = {
          hostname,
          port,
          agent,
          method: METHODS[wish.kind],
          path: pathOf(wish),
          headers: headersOf(wish),
        };
        const asked = request({ ...options, timeout: wish.timeoutMs + PATIENCE_MS }, (response) => {
          collect(response, (body) =>
            resolve(body === undefined ? lost(wish, "cut short") : answerOf(wish, response, body)),
          );
        });
        asked.on("timeout", () => asked.destroy(new Error("silent")));
        asked.on("error", (error: NodeJS.ErrnoException) => resolve(lost(wish, error.code ?? error.message)));
        asked.end(wish.value);
      }),
    close: async () => agent.destroy(),
  };
}

function pathOf({ kind, key, level, ttlMs, timeoutMs }: Wish): string {
  const ttl = ttlMs === undefined ? "" : `&ttl=${ttlMs}ms`;
  return `${keyPath(BUCKET, key)}?${kind === "read" ? "r" : "w"}=${level}&timeout=${timeoutMs}ms${ttl}`;
}

function headersOf({ value, context }: Wish): Record<string, string> {
  return {
    ...(value === undefined ? {} : { "Content-Type": "text/plain" }),
    ...(isEmptyContext(context) ? {} : { "Murmur-Context": contextText(context) }),
  };
}

function collect(response: IncomingMessage, onBody: (body: Buffer | undefined) => void): void {
  const chunks: Buffer[] = [];
  response.on("data", (chunk: Buffer) => chunks.push(chunk));
  response.on("error", () => {});
  response.on("close", () => onBody(response.complete ? Buffer.concat(chunks) : undefined));
}

function answerOf(wish: Wish, { statusCode = 0, headers }: IncomingMessage, body: Buffer): Answer {
  const isFound = statusCode === 200 || statusCode === 204;
  if (isFound || (statusCode === 404 && wish.kind === "read")) {
    const contents = statusCode === 200 ? [{ contentType: "", value: body }] : [];
    return viewOf(headers["murmur-context"] as string | undefined, contents);
  }
  const code = `${statusCode} ${body.toString("utf8")}`;
  if (statusCode === 400 && CONTEXT_AHEAD.test(code)) return { kind: "refused", code: "context-ahead" };
  if (!REFUSALS.has(statusCode)) return { kind: "wrong", code };
  const problem: { code: string; mayHaveApplied: boolean } = JSON.parse(body.toString("utf8"));
  return { kind: problem.mayHaveApplied ? "unknown" : "refused", code: problem.code };
}

function viewOf(text: string | undefined, contents: View["contents"]): Answer {
  const context = text === undefined ? undefined : decodeContext(Buffer.from(text, "base64url"));
  if (context === undefined) return { kind: "wrong", code: `an answer with the context ${text}` };
  return { kind: "ok", view: { contents, context } };
}

/** No answer came over the connection. */
function lost({ kind }: Wish, code: string): Answer {
  return { kind: kind === "read" || code === "ECONNREFUSED" ? "refused" : "unknown", code };
}

function contextText(context: Context): string {
  return asBuffer(encodeContext(context)).toString("base64url");
}

export function clientDoor(urls: readonly string[]): Door {
  const client = new MurmurClient({ nodes: urls });
  return {
    node: undefined,
    name: "client",
    ask: async (wish) => {
      try {
        return await throughClient(client, wish);
      } catch (error) {
        if (!(error instanceof MurmurError)) throw error;
        const { code, status = 0, mayHaveApplied } = error;
        if (status === 400 && CONTEXT_AHEAD.test(error.message)) return { kind: "refused", code: "context-ahead" };
        if (status >= 400 && !REFUSALS.has(status)) return { kind: "wrong", code: `${status} ${error.message}` };
        return { kind: mayHaveApplied ? "unknown" : "refused", code };
      }
    },
    close: () => client.close(),
  };
}

async function throughClient(client: MurmurClient, wish: Wish): Promise<Answer> {
  const { kind, key, value, level, ttlMs, timeoutMs } = wish;
  const bucket = client.bucket(BUCKET);
  const options = {
    ...{ consistency: level, timeoutMs },
    ...(isEmptyContext(wish.context) ? {} : { context: contextText(wish.context) }),
  };
  if (kind === "read") {
    const found = await bucket.get<string>(key, { consistency: level, timeoutMs });
    return viewOf(found.context, found.found ? [{ contentType: "", value: utf8(found.value as string) }] : []);
  }
  const ttl = ttlMs === undefined ? {} : { ttl: ttlMs };
  const written =
    kind === "delete" ? await bucket.delete(key, options) : await bucket.put(key, value, { ...options, ...ttl });
  return viewOf(written.context, []);
}
