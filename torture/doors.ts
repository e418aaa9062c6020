/**
 * The ways in: one node asked once over plain HTTP, and the client that is
 * shipped (client-door.ts). Both give what came of a request in the three values
 * of the contract: it happened, it did not, or nobody can know.
 */
import { Agent, type IncomingMessage, request } from "node:http";
import { asBuffer, utf8 } from "../src/base/bytes.js";
import { keyPath } from "../src/base/key-path.js";
import { type Context, isEmptyContext } from "../src/lattice/context.js";
import { decodeContextToken, encodeContextToken } from "../src/lattice/context-token.js";
import type { View } from "../src/lattice/lattice.js";

/** What a counter or a set is asked. */
export type Edit = { readonly add: number } | { readonly add: readonly string[]; readonly remove: readonly string[] };

export interface Wish {
  readonly kind: "read" | "put" | "delete" | "edit";
  readonly bucket: string;
  readonly key: string;
  readonly level: string;
  /** Of a put. */
  readonly value?: string | undefined;
  readonly ttlMs?: number | undefined;
  readonly edit?: Edit;
  /** Sent again under this name, it counts once. */
  readonly idKey?: string;
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
export const REFUSALS = new Set([503, 504, 507]);
/** What a node whose clock was far ahead gave away is refused by the others (API: contexts too far ahead are 400). */
const CONTEXT_AHEAD = /from too far in the future/;
const SIBLINGS_FULL = /too-many-siblings/;
const METHODS = { read: "GET", put: "PUT", delete: "DELETE", edit: "POST" } as const;

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
        asked.end(wish.edit === undefined ? wish.value : JSON.stringify(wish.edit));
      }),
    close: async () => agent.destroy(),
  };
}

function pathOf({ kind, bucket, key, level, ttlMs, timeoutMs }: Wish): string {
  const ttl = ttlMs === undefined ? "" : `&ttl=${ttlMs}ms`;
  return `${keyPath(bucket, key)}?${kind === "read" ? "r" : "w"}=${level}&timeout=${timeoutMs}ms${ttl}`;
}

function headersOf(wish: Wish): Record<string, string> {
  const { value, edit, idKey, context } = wish;
  return {
    // Siblings as JSON.
    Accept: "application/json",
    ...(value === undefined ? {} : { "Content-Type": "text/plain" }),
    ...(edit === undefined ? {} : { "Content-Type": "application/json" }),
    ...(idKey === undefined ? {} : { "Idempotency-Key": idKey }),
    ...(isEmptyContext(context) ? {} : { "Murmur-Context": contextText(wish) }),
  };
}

function collect(response: IncomingMessage, onBody: (body: Buffer | undefined) => void): void {
  const chunks: Buffer[] = [];
  response.on("data", (chunk: Buffer) => chunks.push(chunk));
  response.on("error", () => {});
  response.on("close", () => onBody(response.complete ? Buffer.concat(chunks) : undefined));
}

function answerOf(wish: Wish, { statusCode = 0, headers }: IncomingMessage, body: Buffer): Answer {
  const isChanged = statusCode === 200 || statusCode === 204;
  if (isChanged || (wish.kind === "read" && (statusCode === 404 || statusCode === 300))) {
    return viewOf(headers["murmur-context"] as string | undefined, valuesOf(statusCode, body));
  }
  const text = body.toString("utf8");
  const code = `${statusCode} ${text}`;
  const refusal = refusalOf(statusCode, text);
  if (refusal !== undefined) return { kind: "refused", code: refusal };
  if (!REFUSALS.has(statusCode)) return { kind: "wrong", code };
  const problem: { code: string; mayHaveApplied: boolean } = JSON.parse(text);
  return { kind: problem.mayHaveApplied ? "unknown" : "refused", code: problem.code };
}

function valuesOf(status: number, body: Buffer): Uint8Array[] {
  if (status === 200) return [body];
  if (status !== 300) return [];
  const { siblings }: { siblings: { value: string }[] } = JSON.parse(body.toString("utf8"));
  return siblings.map(({ value }) => Buffer.from(value, "base64"));
}

/** What a client may be told although it did nothing wrong. */
export function refusalOf(status: number, text: string): string | undefined {
  if (status === 400 && CONTEXT_AHEAD.test(text)) return "context-ahead";
  return status === 409 && SIBLINGS_FULL.test(text) ? "too-many-siblings" : undefined;
}

export function viewOf(text: string | undefined, values: readonly Uint8Array[]): Answer {
  const context = text === undefined ? undefined : decodeContextToken(Buffer.from(text, "base64url"));
  if (context === undefined) return { kind: "wrong", code: `an answer with the context ${text}` };
  return { kind: "ok", view: { contents: values.map((value) => ({ contentType: "", value })), context } };
}

/** No answer came over the connection. */
function lost({ kind }: Wish, code: string): Answer {
  return { kind: kind === "read" || code === "ECONNREFUSED" ? "refused" : "unknown", code };
}

/** What was seen of the key that is wished for. */
export function contextText({ bucket, key, context }: Wish): string {
  return asBuffer(encodeContextToken({ bucket, key: utf8(key) }, context)).toString("base64url");
}
