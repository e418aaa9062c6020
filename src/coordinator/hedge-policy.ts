/**
 * How a file or a request says when a read is hedged: `p95`, `10ms`,
 * `min(p99,50ms)`, `max(p95,5ms)`, `always`, `never`.
 */
import { unreachable } from "../base/assert.js";
import { parseDurationMs } from "../base/duration.js";
import type { HedgePolicy } from "../cluster-config.js";

export const HEDGE_EXPECTED = "p50 to p999, a duration such as 10ms, min(p99,50ms), max(p95,5ms), always or never";

/** The policy, or undefined when `text` is none. */
export function parseHedgePolicy(text: string): HedgePolicy | undefined {
  if (text === "always" || text === "never") return { kind: text };
  const [, kind, list] = /^(min|max)\(([^()]*)\)$/.exec(text) ?? [];
  if (list === undefined) return parseTerm(text);
  const of = list.split(",").map((term) => parseTerm(term.trim()));
  if (of.length < 2 || of.includes(undefined)) return undefined;
  return { kind: kind as "min" | "max", of: of as HedgePolicy[] };
}

/** The text that `parseHedgePolicy` takes for this policy. */
export function hedgePolicyText(policy: HedgePolicy): string {
  switch (policy.kind) {
    case "always":
    case "never":
      return policy.kind;
    case "after":
      return `${policy.ms}ms`;
    case "quantile":
      return `p${String(policy.share).slice(2).padEnd(2, "0")}`;
    case "min":
    case "max":
      return `${policy.kind}(${policy.of.map(hedgePolicyText).join(",")})`;
    default:
      return unreachable(policy);
  }
}

/**
 * How long to wait before a spare is asked, in milliseconds; undefined: for ever.
 * `quantileMs` estimates how long a replica takes.
 */
export function hedgeAfterMs(policy: HedgePolicy, quantileMs: (share: number) => number): number | undefined {
  switch (policy.kind) {
    case "never":
      return undefined;
    case "always":
      return 0;
    case "after":
      return policy.ms;
    case "quantile":
      return quantileMs(policy.share);
    case "min":
    case "max":
      return Math[policy.kind](...policy.of.map((term) => hedgeAfterMs(term, quantileMs) as number));
    default:
      return unreachable(policy);
  }
}

/** p50 to p999: the digits behind "0." */
function parseTerm(term: string): HedgePolicy | undefined {
  if (/^p[5-9]\d{1,2}$/.test(term)) return { kind: "quantile", share: Number(`0.${term.slice(1)}`) };
  const ms = parseDurationMs(term);
  return ms === undefined || ms === 0 ? undefined : { kind: "after", ms };
}
