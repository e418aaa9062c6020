/**
 * How long a node is given of the time that a call has left: less than all of
 * it, so that the node's own verdict arrives, and no more than a node takes. Pure.
 */
import type { ClientLimits } from "./limits.js";

type Bounds = Pick<ClientLimits, "answerMarginMs" | "serverTimeoutMsMax">;

/** Whole milliseconds, 1 at least. The margin is a tenth of what is left at most. */
export function nodeTimeoutMs(leftMs: number, { answerMarginMs, serverTimeoutMsMax }: Bounds): number {
  const withoutMarginMs = leftMs - Math.min(answerMarginMs, leftMs / 10);
  return Math.max(1, Math.floor(Math.min(serverTimeoutMsMax, withoutMarginMs)));
}
