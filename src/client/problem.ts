/**
 * What an answer that is a refusal, or no answer at all, means. Pure.
 */
import { asBuffer } from "../base/bytes.js";
import type { ErrorFacts } from "./errors.js";
import type { HttpOutcome } from "./pool.js";
import type { Failure } from "./retry.js";

/** Answers of a node that say for certain what became of a write. */
const TRUSTED = new Set([
  "unavailable",
  "timeout",
  "failed",
  "overloaded",
  "clock-skew",
  "draining",
  "disk-full",
  "not-built",
]);

/** Limits of a node that a request was beyond, by name. */
export type LimitsTold = Readonly<Record<string, unknown>>;

export type Told = Failure & ErrorFacts & { readonly limits?: LimitsTold | undefined };

/** `node` is the address that was asked. */
export function failureOf(outcome: HttpOutcome, isWrite: boolean, node: string): Told {
  if (outcome.kind === "broken") {
    const { wasSent, reason } = outcome;
    const detail = `${node} gave no answer (${reason})`;
    return { code: "connection", detail, mayHaveApplied: isWrite && wasSent, retryAfterMs: undefined, node };
  }
  return refusalOf(outcome.status, outcome.headers["retry-after"], outcome.body, isWrite, node);
}

export function refusalOf(
  status: number,
  retryAfter: string | undefined,
  body: Uint8Array,
  isWrite: boolean,
  node: string,
): Told {
  const { code = `status-${status}`, detail = `${node} answered ${status}`, ...problem } = parsedProblem(body);
  return {
    code,
    detail,
    status,
    ...{ level: problem.level, required: problem.required, received: problem.received, alive: problem.alive },
    mayHaveApplied: isWrite && mayStillBe(status, code, problem.mayHaveApplied),
    retryAfterMs: secondsMs(retryAfter),
    limits: typeof problem.limits === "object" && problem.limits !== null ? problem.limits : undefined,
    node,
  };
}

/** Whether a write that was answered so may have been applied: only what is known is believed when it says no. */
export function mayStillBe(status: number, code: string | undefined, told: boolean | undefined): boolean {
  const isCertain = (status >= 400 && status < 500) || (code !== undefined && TRUSTED.has(code));
  return isCertain ? told === true : true;
}

interface ProblemBody {
  readonly code?: string;
  readonly detail?: string;
  readonly level?: string | number;
  readonly required?: number;
  readonly received?: number;
  readonly alive?: number;
  readonly mayHaveApplied?: boolean;
  readonly limits?: LimitsTold | null;
}

/** Anything that is not a problem of a node's is one without members. */
function parsedProblem(body: Uint8Array): ProblemBody {
  try {
    const parsed: unknown = JSON.parse(asBuffer(body).toString("utf8"));
    const isProblem = typeof parsed === "object" && parsed !== null && typeof (parsed as ProblemBody).code === "string";
    return isProblem ? (parsed as ProblemBody) : {};
  } catch {
    return {};
  }
}

const MS_PER_SECOND = 1000;

/** Retry-After in seconds; its other form, a date, is none that a node writes. */
function secondsMs(retryAfter: string | undefined): number | undefined {
  if (retryAfter === undefined || !/^\d{1,6}$/.test(retryAfter)) return undefined;
  return Number(retryAfter) * MS_PER_SECOND;
}
