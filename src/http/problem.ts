/**
 * Every refusal a client can get, as RFC 9457 problem+json.
 *
 * A problem is a value: whoever finds a mistake returns one, and the one place
 * that answers writes it. Codes are a closed set, so that a client can switch
 * over them; details are sentences for people. What came of a write is part of
 * each problem: `mayHaveApplied` is false unless the core says otherwise.
 */
import type { Level, Limits } from "../config.js";
import type { Failure, FailureKind } from "../coordinator/outcome.js";

/** Status and title of every code. */
export const PROBLEMS = {
  "bad-request": { status: 400, title: "Bad request" },
  forbidden: { status: 403, title: "Forbidden" },
  "not-found": { status: 404, title: "Not found" },
  "method-not-allowed": { status: 405, title: "Method not allowed" },
  "request-timeout": { status: 408, title: "The request did not arrive in time" },
  "type-mismatch": { status: 409, title: "Not an operation of this bucket's type" },
  "too-many-siblings": { status: 409, title: "Too many concurrent values" },
  "out-of-range": { status: 409, title: "Beyond what a counter counts" },
  "id-reused": { status: 422, title: "Another operation has this Idempotency-Key" },
  "too-many-ids": { status: 429, title: "The key remembers too many Idempotency-Keys" },
  "too-large": { status: 413, title: "Too large" },
  "uri-too-long": { status: 414, title: "The address is too long" },
  "unsupported-media-type": { status: 415, title: "Unsupported media type" },
  "expectation-failed": { status: 417, title: "Expectation failed" },
  "unknown-host": { status: 421, title: "Not a host of this node" },
  "headers-too-large": { status: 431, title: "The headers are too large" },
  internal: { status: 500, title: "A mistake of this node" },
  "not-built": { status: 501, title: "Not built yet" },
  unavailable: { status: 503, title: "Too few owners are reachable" },
  failed: { status: 503, title: "Too many owners refused" },
  overloaded: { status: 503, title: "Too busy" },
  draining: { status: 503, title: "This node is stopping" },
  "clock-skew": { status: 503, title: "This node's clock is off" },
  timeout: { status: 504, title: "Too few owners answered in time" },
  "disk-full": { status: 507, title: "A disk is full" },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

/** What the core knows about a request that did not meet its level. */
export interface Counts {
  readonly level: Level;
  readonly required: number;
  readonly received: number;
  readonly alive: number;
  readonly mayHaveApplied: boolean;
}

export class Problem {
  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    /** Further headers of the answer: names and values in turn. */
    readonly headers: readonly string[] = [],
    readonly counts?: Counts,
    /** By name: limits of this node that the request is beyond, so that a client can keep to them. */
    readonly limits?: Partial<Limits>,
  ) {}

  get status(): number {
    return PROBLEMS[this.code].status;
  }

  /** The body: the members of RFC 9457 first, then ours. */
  toJson(): string {
    const { status, title } = PROBLEMS[this.code];
    const { level, required, received, alive, mayHaveApplied = false } = this.counts ?? {};
    return JSON.stringify({
      type: `urn:murmur:problem:${this.code}`,
      title,
      status,
      detail: this.detail,
      code: this.code,
      level,
      required,
      received,
      alive,
      mayHaveApplied,
      limits: this.limits,
    });
  }
}

export function badRequest(detail: string): Problem {
  return new Problem("bad-request", detail);
}

/** A request that asks for more than this node takes. */
export function beyond(code: ProblemCode, detail: string, limits: Partial<Limits>): Problem {
  return new Problem(code, detail, [], undefined, limits);
}

export function methodNotAllowed(method: string | undefined, allowed: string): Problem {
  return new Problem("method-not-allowed", `${method} is not for this path; it takes ${allowed}`, ["Allow", allowed]);
}

export function overloaded(detail: string): Problem {
  return new Problem("overloaded", detail, RETRY_AFTER);
}

/** The problem that says what `failure` says; `headers` come along. */
export function problemOf(failure: Failure, headers: readonly string[]): Problem {
  const code = CODE_OF[failure.kind];
  const detail = code === "too-many-siblings" ? `${failure.detail} (${COMMAND})` : failure.detail;
  return new Problem(code, detail, code === "overloaded" ? [...headers, ...RETRY_AFTER] : headers, failure);
}

const COMMAND = "GET and PUT with Murmur-Context; or `murmur resolve BUCKET KEY`, which does both";

/** In seconds: long enough to matter, short enough that a client's patience survives it. */
const RETRY_AFTER = ["Retry-After", "1"];

/** A level that cannot be asked of a bucket is the client's mistake, like any other wrong parameter. */
const CODE_OF: Readonly<Record<FailureKind, ProblemCode>> = {
  unavailable: "unavailable",
  timeout: "timeout",
  failed: "failed",
  overloaded: "overloaded",
  "clock-skew": "clock-skew",
  "disk-full": "disk-full",
  "bad-level": "bad-request",
  "type-mismatch": "type-mismatch",
  "too-many-siblings": "too-many-siblings",
  "too-large": "too-large",
  "out-of-range": "out-of-range",
  "id-reused": "id-reused",
  "too-many-ids": "too-many-ids",
};
