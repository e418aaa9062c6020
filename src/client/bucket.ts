/**
 * A bucket: turns calls into requests about keys, and answers into results.
 */
import { keyPath } from "../base/key-path.js";
import { checkBucket, checkedTimeout, checkKey } from "./arguments.js";
import { SiblingsError } from "./errors.js";
import { eachKey, listKeys } from "./listing.js";
import { Operation, type Tell } from "./operation.js";
import type {
  Bucket,
  CallOptions,
  DeleteOptions,
  GetOptions,
  GetResult,
  KeyPage,
  KeysOptions,
  PutOptions,
  WriteResult,
} from "./options.js";
import type { HttpAnswer } from "./pool.js";
import { resultOf } from "./result.js";
import type { Shared } from "./shared.js";
import { encodeValue } from "./value.js";

type Reject = (reason: unknown) => void;

const NO_OPTIONS = {};
/** Siblings are then answered as JSON; a single value comes as it is all the same. */
const GET_HEADERS = ["Accept", "application/json"];

export class ClientBucket implements Bucket {
  readonly name: string;
  private readonly shared: Shared;

  constructor(shared: Shared, name: string) {
    checkBucket(name);
    this.shared = shared;
    this.name = name;
  }

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

  keys(options: KeysOptions = NO_OPTIONS): Promise<KeyPage> {
    return listKeys(this.shared, this.name, options);
  }

  eachKey(options: KeysOptions = NO_OPTIONS): AsyncGenerator<string, void, undefined> {
    return eachKey(this.shared, this.name, options);
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
    const context = this.shared.contexts.forWrite(this.name, key, options.context);
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

  private remember(key: string, context: string): void {
    this.shared.contexts.onSeen(this.name, key, context);
  }
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
