/**
 * A bucket: its keys and their values, as an application sees them.
 */
import { utf8 } from "../base/bytes.js";
import { keyPath } from "../base/key-path.js";
import type { Contexts } from "./contexts.js";
import { badRequest, SiblingsError } from "./errors.js";
import { Operation, type Parts, type Tell } from "./operation.js";
import type { CallOptions, DeleteOptions, GetOptions, GetResult, PutOptions, WriteResult } from "./options.js";
import type { HttpAnswer } from "./pool.js";
import { resultOf } from "./result.js";
import { encodeValue } from "./value.js";

/** What the buckets of one client share. */
export interface Shared extends Parts {
  readonly contexts: Contexts;
  /** Of calls that name none. */
  readonly timeoutMs: number;
  readonly mayHedge: boolean;
  /** Throws when the client is closed or has too much under way. */
  admit(): void;
  readonly underWay: Set<Operation>;
}

type Reject = (reason: unknown) => void;

const NAME = /^(?!\.+$)[A-Za-z0-9_.-]{1,64}$/;
const KEY_BYTES_MAX = 1024;
/** Half a character: it has no UTF-8, and two such keys would become one. */
const LONE_SURROGATE = /\p{Surrogate}/u;
const NO_OPTIONS = {};
/** Siblings are then answered as JSON; a single value comes as it is all the same. */
const GET_HEADERS = ["Accept", "application/json"];

export class Bucket {
  readonly name: string;
  private readonly shared: Shared;

  constructor(shared: Shared, name: string) {
    if (!NAME.test(name)) {
      throw badRequest(`a bucket's name is 1 to 64 of A-Z a-z 0-9 _ . -, not ${JSON.stringify(name)}`);
    }
    this.shared = shared;
    this.name = name;
  }

  /** An absent key is an answer, not an error: `found` is false. */
  get<Value = unknown>(key: string, options: GetOptions = NO_OPTIONS): Promise<GetResult<Value>> {
    return new Promise((resolve, reject) => {
      const query = queryOf("r", options) + wish("mend", options.mend) + wish("hedge", options.hedge);
      this.start("GET", key, query, GET_HEADERS, undefined, options, reject, (answer, node) => {
        const result = resultOf<Value>(answer, node);
        this.remember(key, result.context);
        if (options.single === true && result.siblings.length > 1) {
          reject(new SiblingsError(result.siblings, result.context, node));
        } else {
          resolve(result);
        }
      });
    });
  }

  /** A string is stored as text, bytes as they are, anything else as JSON. */
  put(key: string, value: unknown, options: PutOptions = NO_OPTIONS): Promise<WriteResult> {
    return new Promise((resolve, reject) => {
      const { bytes, contentType } = encodeValue(value, options.contentType);
      const headers = ["Content-Type", contentType, "Content-Length", String(bytes.length)];
      this.write("PUT", key, queryOf("w", options) + ttlOf(options.ttl), headers, bytes, options, reject, resolve);
    });
  }

  delete(key: string, options: DeleteOptions = NO_OPTIONS): Promise<WriteResult> {
    return new Promise((resolve, reject) => {
      this.write("DELETE", key, queryOf("w", options), [], undefined, options, reject, resolve);
    });
  }

  private write(
    method: "PUT" | "DELETE",
    key: string,
    query: string,
    headers: string[],
    body: Uint8Array | undefined,
    options: DeleteOptions,
    reject: Reject,
    resolve: (result: WriteResult) => void,
  ): void {
    const context = this.contextFor(key, options.context);
    if (context !== undefined) headers.push("Murmur-Context", context);
    this.start(method, key, query, headers, body, options, reject, (answer) => {
      const written = answer.headers["murmur-context"] as string;
      this.remember(key, written);
      resolve({ context: written });
    });
  }

  private start(
    method: "GET" | "PUT" | "DELETE",
    key: string,
    query: string,
    headers: readonly string[],
    body: Uint8Array | undefined,
    options: CallOptions & { readonly hedge?: string },
    reject: Reject,
    onAnswer: (answer: HttpAnswer, node: string) => void,
  ): void {
    const { shared } = this;
    const { signal, hedge } = options;
    checkKey(key);
    const timeoutMs = checkedTimeout(options.timeoutMs ?? shared.timeoutMs);
    if (signal?.aborted) return reject(signal.reason);
    shared.admit();
    const tell: Tell = {
      onAnswer: (answer, node) => {
        shared.underWay.delete(operation);
        try {
          onAnswer(answer, node);
        } catch (error) {
          reject(error);
        }
      },
      onFailed: (reason) => {
        shared.underWay.delete(operation);
        reject(reason);
      },
    };
    const mayHedge = method === "GET" && shared.mayHedge && hedge !== "never";
    const owners = shared.fleet.ownersOf(this.name, key);
    const path = keyPath(this.name, key);
    const request = { method, path, query, headers, body, owners, timeoutMs, mayHedge, signal };
    const operation = new Operation(shared, request, tell);
    shared.underWay.add(operation);
    operation.begin();
  }

  /** Only a register's context may be implied: see contexts.ts. */
  private contextFor(key: string, given: string | undefined): string | undefined {
    if (given !== undefined && !/^[A-Za-z0-9_-]*$/.test(given)) throw badRequest("that is not a context of a cluster");
    const { fleet, contexts } = this.shared;
    return fleet.typeOf(this.name) === "register" ? contexts.highest(this.idOf(key), given) : given;
  }

  private remember(key: string, context: string): void {
    const type = this.shared.fleet.typeOf(this.name);
    if (type === undefined || type === "register") this.shared.contexts.onSeen(this.idOf(key), context);
  }

  /** No bucket's name has a slash. */
  private idOf(key: string): string {
    return `${this.name}/${key}`;
  }
}

function checkKey(key: string): void {
  if (typeof key !== "string" || key === "") throw badRequest("a key is a string that is not empty");
  if (LONE_SURROGATE.test(key)) throw badRequest("the key has half of a surrogate pair: it is not Unicode text");
  if (3 * key.length <= KEY_BYTES_MAX) return;
  const bytes = utf8(key).length;
  if (bytes > KEY_BYTES_MAX) throw badRequest(`the key has ${bytes} bytes; the limit is ${KEY_BYTES_MAX}`);
}

function checkedTimeout(timeoutMs: number): number {
  if (Number.isFinite(timeoutMs) && timeoutMs > 0) return timeoutMs;
  throw badRequest(`timeoutMs is a positive number of milliseconds, not ${timeoutMs}`);
}

/** The part of the query that all attempts share; the timeout is written behind it. */
function queryOf(levelName: "r" | "w", { consistency }: CallOptions): string {
  return consistency === undefined ? "?" : `?${levelName}=${encodeURIComponent(String(consistency))}&`;
}

function ttlOf(ttl: string | number | undefined): string {
  return wish("ttl", typeof ttl === "number" ? `${ttl}ms` : ttl);
}

function wish(name: string, value: string | undefined): string {
  return value === undefined ? "" : `${name}=${encodeURIComponent(value)}&`;
}
