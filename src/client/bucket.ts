/**
 * A bucket: turns calls into requests about keys, and answers into results.
 */
import { keyPath } from "../base/key-path.js";
import { checkBucket, checkedStamp, checkedTimeout, checkKey } from "./arguments.js";
import { changeOf, checkedBy, encodeOp, listOf, readOf } from "./change.js";
import { SiblingsError } from "./errors.js";
import { idKeyOf } from "./idempotency.js";
import { eachKey, listKeys } from "./listing.js";
import { addMany } from "./many.js";
import { type KeyRequest, Operation, type Tell } from "./operation.js";
import type {
  AddManyOptions,
  AddResult,
  Bucket,
  CallOptions,
  Cell,
  CellOptions,
  CellPage,
  ChangeOptions,
  ChangeResult,
  DeletedCells,
  DeleteOptions,
  GetOptions,
  GetResult,
  KeyPage,
  KeysOptions,
  MapEdit,
  MapFields,
  PutOptions,
  RangeOptions,
  ReadResult,
  SetEdit,
  WriteResult,
} from "./options.js";
import type { HttpAnswer } from "./pool.js";
import { deleteCells, eachCell, rangeOf } from "./ranges.js";
import { resultOf } from "./result.js";
import type { Shared } from "./shared.js";
import { Sums } from "./sums.js";
import { encodeValue } from "./value.js";

type Reject = (reason: unknown) => void;

const NO_OPTIONS = {};
const READ_WISHES = ["mend", "merge", "hedge"] as const;
/** Siblings are then answered as JSON; a single value comes as it is all the same. */
const GET_HEADERS = ["Accept", "application/json"];

export class ClientBucket implements Bucket {
  readonly name: string;
  private readonly shared: Shared;
  private readonly sums: Sums | undefined;

  /** `coalesceMs`: increments wait so long for others; 0: not at all. */
  constructor(shared: Shared, name: string, coalesceMs: number) {
    checkBucket(name);
    this.shared = shared;
    this.name = name;
    this.sums = coalesceMs === 0 ? undefined : new Sums(shared, name, coalesceMs);
  }

  get<Value = unknown>(key: string, options: GetOptions = NO_OPTIONS): Promise<GetResult<Value>> {
    return new Promise((resolve, reject) => {
      const query = queryOf("r", options) + READ_WISHES.map((name) => wish(name, options[name])).join("");
      this.start("GET", key, query, GET_HEADERS, undefined, options, reject, (answer, node) => {
        const result = resultOf<Value>(answer, node);
        if (options.sort === undefined) this.remember(key, result.context);
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
      const query = queryOf("w", options) + ttlOf(options.ttl);
      const onAnswer = (answer: HttpAnswer) => resolve({ context: contextOf(answer) });
      this.write("PUT", key, query, headers, bytes, options, reject, onAnswer);
    });
  }

  delete(key: string, options: DeleteOptions = NO_OPTIONS): Promise<WriteResult> {
    return new Promise((resolve, reject) => {
      const onAnswer = (answer: HttpAnswer) => resolve({ context: contextOf(answer) });
      this.write("DELETE", key, queryOf("w", options), [], undefined, options, reject, onAnswer);
    });
  }

  add(key: string, by: number, options: ChangeOptions = NO_OPTIONS): Promise<ChangeResult<number>> {
    if (this.sums?.takes(options)) return this.sums.add(key, by, options);
    return this.change(key, () => ({ add: checkedBy(by) }), options);
  }

  addMany(
    increments: Iterable<readonly [key: string, by: number]>,
    options: AddManyOptions = NO_OPTIONS,
  ): Promise<AddResult[]> {
    return addMany(this.shared, this.name, increments, options);
  }

  addTo(key: string, elements: string | readonly string[], options?: ChangeOptions): Promise<ChangeResult<string[]>> {
    return this.editSet(key, { add: listOf(elements) }, options);
  }

  removeFrom(
    key: string,
    elements: string | readonly string[],
    options?: ChangeOptions,
  ): Promise<ChangeResult<string[]>> {
    return this.editSet(key, { remove: listOf(elements) }, options);
  }

  editSet(key: string, edit: SetEdit, options: ChangeOptions = NO_OPTIONS): Promise<ChangeResult<string[]>> {
    return this.change(key, () => edit, options);
  }

  editMap(key: string, edit: MapEdit, options: ChangeOptions = NO_OPTIONS): Promise<ChangeResult<MapFields>> {
    return this.change(key, () => edit, options);
  }

  async count(key: string, options?: GetOptions): Promise<ReadResult<number>> {
    return readOf(await this.get(key, options), 0);
  }

  async elements(key: string, options?: GetOptions): Promise<ReadResult<string[]>> {
    return readOf<string[]>(await this.get(key, options), []);
  }

  async fields(key: string, options?: GetOptions): Promise<ReadResult<MapFields>> {
    return readOf<MapFields>(await this.get(key, options), {});
  }

  keys(options: KeysOptions = NO_OPTIONS): Promise<KeyPage> {
    return listKeys(this.shared, this.name, options);
  }

  eachKey(options: KeysOptions = NO_OPTIONS): AsyncGenerator<string, void, undefined> {
    return eachKey(this.shared, this.name, options);
  }

  range(key: string, options: RangeOptions = NO_OPTIONS): Promise<CellPage> {
    return rangeOf(this.shared, this.name, key, options);
  }

  eachCell(key: string, options: RangeOptions = NO_OPTIONS): AsyncGenerator<Cell, void, undefined> {
    return eachCell(this.shared, this.name, key, options);
  }

  deleteCells(key: string, options: RangeOptions = NO_OPTIONS): Promise<DeletedCells> {
    return deleteCells(this.shared, this.name, key, options);
  }

  private change<Value>(key: string, opOf: () => object, options: ChangeOptions): Promise<ChangeResult<Value>> {
    return new Promise((resolve, reject) => {
      const body = encodeOp(opOf());
      const headers = ["Content-Type", "application/json", "Content-Length", String(body.length)];
      const onAnswer = (answer: HttpAnswer, node: string) => resolve(changeOf(answer, node));
      this.write("POST", key, queryOf("w", options), headers, body, options, reject, onAnswer);
    });
  }

  private write(
    method: "PUT" | "DELETE" | "POST",
    key: string,
    query: string,
    headers: string[],
    body: Uint8Array | undefined,
    options: DeleteOptions,
    reject: Reject,
    onWritten: (answer: HttpAnswer, node: string) => void,
  ): void {
    const isStamped = options.stamp !== undefined;
    const context = this.shared.contexts.forWrite(this.name, key, options.context, isStamped);
    if (context !== undefined) headers.push("Murmur-Context", context);
    const idKey = idKeyOf(options.idempotencyKey, this.shared.world.random);
    if (idKey !== undefined) headers.push("Idempotency-Key", idKey);
    const stamp = options.stamp === undefined ? "" : wish("stamp", String(checkedStamp(options.stamp)));
    this.start(method, key, query + stamp, headers, body, options, reject, (answer, node) => {
      if (options.sort === undefined) this.remember(key, contextOf(answer));
      onWritten(answer, node);
    });
  }

  private start(
    method: KeyRequest["method"],
    key: string,
    query: string,
    headers: readonly string[],
    body: Uint8Array | undefined,
    options: CellOptions & { readonly hedge?: string; readonly stamp?: number },
    reject: Reject,
    onAnswer: (answer: HttpAnswer, node: string) => void,
  ): void {
    const { shared } = this;
    const { signal, hedge, sort } = options;
    checkKey(key);
    if (sort !== undefined) checkKey(sort, "sort key");
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
    const countsOnce = options.stamp !== undefined || headers.includes("Idempotency-Key");
    const request = {
      method,
      path,
      query: query + wish("sort", sort),
      headers,
      body,
      owners,
      timeoutMs,
      mayHedge,
      countsOnce,
      signal,
    };
    const operation = new Operation(shared, request, tell);
    shared.underWay.add(operation);
    operation.begin();
  }

  private remember(key: string, context: string): void {
    this.shared.contexts.onSeen(this.name, key, context);
  }
}

function contextOf(answer: HttpAnswer): string {
  return answer.headers["murmur-context"] as string;
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
