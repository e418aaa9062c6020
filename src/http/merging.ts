/**
 * Siblings that the user's own function makes one value of, on their way out (Dynamo 4.4: the store keeps all
 * versions, and whoever knows what they mean reconciles them).
 *
 * The answer has the merged value and the context of all siblings, so that a client's next PUT supersedes them.
 * Nothing is written back: a write by a read would be one more concurrent write, at each node that is read through.
 */
import { textOf } from "../base/bytes.js";
import type { ReadOutcome, ReadRequest } from "../coordinator/outcome.js";
import type { Content } from "../lattice/lattice.js";
import type { Address } from "./address.js";
import type { Edge } from "./edge.js";
import { contentTypeToStore } from "./media.js";
import { Problem } from "./problem.js";

/** Who runs users' functions. */
export interface Mergers {
  /** `onMerged` comes once, perhaps within the call, with undefined when the siblings stay as they are. */
  merge(bucket: string, key: string, contents: readonly Content[], onMerged: (content?: Content) => void): void;
}

/** What came of a read, for its client. */
export type Answered = ReadOutcome & { readonly isMerged?: boolean };

/** `done` comes once, with the outcome itself unless a function made one value of several. */
export function mergeSiblings(
  mergers: Mergers,
  { bucket, key }: Pick<Address, "bucket" | "key">,
  outcome: ReadOutcome,
  done: (answered: Answered) => void,
): void {
  if (!outcome.ok || outcome.view.contents.length < 2) return done(outcome);
  const { contents, context } = outcome.view;
  mergers.merge(bucket, textOf(key) ?? "", contents, (content) => {
    if (content === undefined || !isSound(content)) return done(outcome);
    done({ ...outcome, view: { contents: [content], context }, isMerged: true });
  });
}

/** As `mergeSiblings` for each read of a batch; what has no room beside the other values stays as it is. */
export function mergeReads(
  { mergers, limits }: Pick<Edge, "mergers" | "limits">,
  requests: readonly ReadRequest[],
  outcomes: readonly ReadOutcome[],
  done: (answered: readonly Answered[]) => void,
): void {
  const answered: Answered[] = [...outcomes];
  let bytes = outcomes.reduce((sum, outcome) => sum + bytesOf(outcome), 0);
  let left = outcomes.length;
  if (left === 0) return done(answered);
  for (const [index, outcome] of outcomes.entries()) {
    mergeSiblings(mergers, requests[index] as ReadRequest, outcome, (merged) => {
      const more = bytesOf(merged) - bytesOf(outcome);
      if (bytes + more <= limits.batchAnswerBytesMax) {
        answered[index] = merged;
        bytes += more;
      }
      left--;
      if (left === 0) done(answered);
    });
  }
}

function bytesOf(outcome: ReadOutcome): number {
  return outcome.ok ? outcome.view.contents.reduce((sum, { value }) => sum + value.length, 0) : 0;
}

function isSound({ contentType }: Content): boolean {
  return !(contentTypeToStore(contentType, Number.POSITIVE_INFINITY) instanceof Problem);
}
