/**
 * What a call rejects with. Every error says whether the write it belongs to
 * may have been applied: true means that nobody can know yet.
 */
import type { Sibling } from "./options.js";

/** What is known of a failure; most of it comes from the node's problem+json. */
export interface ErrorFacts {
  readonly code: string;
  readonly detail: string;
  /** The HTTP status, when a node answered. */
  readonly status?: number | undefined;
  readonly level?: string | number | undefined;
  /** Owners that the level needs, that answered, that are thought alive. */
  readonly required?: number | undefined;
  readonly received?: number | undefined;
  readonly alive?: number | undefined;
  readonly mayHaveApplied?: boolean | undefined;
  /** The address of the node that was asked last. */
  readonly node?: string | undefined;
  readonly cause?: unknown;
}

export class MurmurError extends Error {
  readonly code: string;
  readonly detail: string;
  readonly status: number | undefined;
  readonly level: string | number | undefined;
  readonly required: number | undefined;
  readonly received: number | undefined;
  readonly alive: number | undefined;
  /** False only when it is certain that the write was not and will not be applied. Always false for reads. */
  readonly mayHaveApplied: boolean;
  readonly node: string | undefined;

  constructor(facts: ErrorFacts) {
    super(`${facts.code}: ${facts.detail}`, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = new.target.name;
    this.code = facts.code;
    this.detail = facts.detail;
    this.status = facts.status;
    this.level = facts.level;
    this.required = facts.required;
    this.received = facts.received;
    this.alive = facts.alive;
    this.mayHaveApplied = facts.mayHaveApplied ?? false;
    this.node = facts.node;
  }
}

/** Too few owners are reachable, or no node serves at present. */
export class UnavailableError extends MurmurError {}

/** The level was not met in time. For a write this is unknown, not "no". */
export class TimeoutError extends MurmurError {}

/** Refused before any work, by a node or by this client's own limit. */
export class OverloadedError extends MurmurError {}

/** So many owners refused (full disks, damaged rows) that the level cannot be met. */
export class FailedError extends MurmurError {}

/** The request itself is wrong: repeating it helps nobody. */
export class BadRequestError extends MurmurError {}

/** No answer came over the network; `mayHaveApplied` says whether the request had left. */
export class ConnectionError extends MurmurError {}

/** The client was closed. */
export class ClosedError extends MurmurError {}

/** A single value was asked for and there are several: decide, and put with this context. */
export class SiblingsError extends MurmurError {
  constructor(
    readonly siblings: readonly Sibling[],
    readonly context: string,
    node: string | undefined,
  ) {
    super({ code: "siblings", detail: `${siblings.length} siblings need a decision`, status: 300, node });
  }
}

const CLASS_OF: Readonly<Record<string, new (facts: ErrorFacts) => MurmurError>> = {
  unavailable: UnavailableError,
  "clock-skew": UnavailableError,
  draining: UnavailableError,
  timeout: TimeoutError,
  connection: ConnectionError,
  overloaded: OverloadedError,
  failed: FailedError,
  "disk-full": FailedError,
};

/** The error for a failure that a node or the network told of. */
export function errorOf(facts: ErrorFacts): MurmurError {
  const known = Object.hasOwn(CLASS_OF, facts.code) ? CLASS_OF[facts.code] : undefined;
  if (known !== undefined) return new known(facts);
  const { status = 0 } = facts;
  return status >= 400 && status < 500 ? new BadRequestError(facts) : new MurmurError(facts);
}

export function badRequest(detail: string): BadRequestError {
  return new BadRequestError({ code: "bad-request", detail });
}
