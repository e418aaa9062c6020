/**
 * Availability, counted: which share of requests met their level in time, per
 * kind of fault and level, beside what R, W and N predict.
 *
 * The prediction for a request at a coordinator that can reach r of the key's N
 * owners is 1 when r is at least the number that the level needs, and else 0; r
 * is the smaller of what was reachable when the request began and when it was
 * answered. So what is measured below the prediction is the time to notice a
 * change and to connect again. In nines, -log10(1 - share); when nothing failed,
 * at least what the 95 % bound 3/n allows (Jovanovic and Levy 1997).
 */
import { quorumOf } from "../src/coordinator/plan.js";

export type Verdict = "met" | "refused" | "late" | "unmet";

export interface Row {
  readonly fault: string;
  /** Whether a client that tries again elsewhere asked, or one node was asked once. */
  readonly door: string;
  readonly level: string;
  requests: number;
  met: number;
  /** Told so within the deadline: too few owners reachable. */
  refused: number;
  /** The deadline passed. */
  late: number;
  predicted: number;
}

/** How many owners a level needs. */
export function neededOf(level: string, owners: number): number {
  if (level === "ANY") return 0;
  if (level === "ONE") return 1;
  if (level === "TWO") return 2;
  return level === "ALL" ? owners : quorumOf(owners);
}

export class Availability {
  private readonly rows = new Map<string, Row>();

  count(fault: string, door: string, level: string, verdict: Verdict, isPredicted: boolean): void {
    const name = [fault, door, level].join("\n");
    let row = this.rows.get(name);
    if (row === undefined) {
      row = { fault, door, level, requests: 0, met: 0, refused: 0, late: 0, predicted: 0 };
      this.rows.set(name, row);
    }
    row.requests++;
    if (verdict === "met") row.met++;
    if (verdict === "refused") row.refused++;
    if (verdict === "late") row.late++;
    if (isPredicted) row.predicted++;
  }

  table(): Row[] {
    return [...this.rows.values()].sort((a, b) =>
      `${a.door}${a.level}${a.fault}` < `${b.door}${b.level}${b.fault}` ? -1 : 1,
    );
  }
}

/** Such as "2.3", or "≥ 2.5" when none of n failed. */
export function ninesText(met: number, requests: number): string {
  if (requests === 0) return "-";
  if (met < requests) return (-Math.log10(1 - met / requests)).toFixed(1);
  return `≥ ${Math.max(0, Math.log10(requests / 3)).toFixed(1)}`;
}
