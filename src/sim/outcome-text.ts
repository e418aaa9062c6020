/**
 * What came of an operation, in words for traces.
 */
import type { ReadOutcome, WriteOutcome } from "../coordinator/outcome.js";
import type { RangeOutcome } from "../coordinator/range.js";
import { lastStampOf } from "../lattice/context.js";
import { SIM_EPOCH_MS } from "./clock.js";

export type Outcome = ReadOutcome | WriteOutcome | RangeOutcome;

/** With the stamp as milliseconds since the simulation began. */
export function okText(outcome: Extract<Outcome, { ok: true }>): string {
  if ("cells" in outcome) return `ok, ${outcome.cells.length} cells${outcome.next === undefined ? "" : ", and more"}`;
  const stamp = lastStampOf("view" in outcome ? outcome.view.context : outcome.context);
  if (stamp === undefined) return "ok, nothing";
  const content = "view" in outcome ? outcome.view.contents[0] : undefined;
  const value = content === undefined ? "" : `, ${Buffer.from(content.value).toString()}`;
  return `ok, stamp ${stamp.timeUs / 1000 - SIM_EPOCH_MS} by ${stamp.actor.toString(16)}${value}`;
}
