/**
 * When a cluster has settled: whoever can hear each other see each other, and,
 * when nothing at all is wrong, all vote. A pure question.
 */
import type { NodeId } from "../ports.js";
import type { View } from "./node-messages.js";

/** What is still missing, in words. `views` are of the nodes that were asked, by their ids. */
export function lackingViews(
  views: ReadonlyMap<NodeId, readonly View[]>,
  hear: (one: NodeId, other: NodeId) => boolean,
  isWhole: boolean,
): string[] {
  const lacks: string[] = [];
  for (const [id, seen] of views) {
    for (const other of views.keys()) {
      const view = seen.find(({ node }) => node === other);
      if (!hear(id, other)) continue;
      if (view?.state !== "up") lacks.push(`${id} does not see ${other}`);
      else if (isWhole && view.rebuilding !== 0) lacks.push(`${id} does not know ${other} to have caught up`);
    }
  }
  return lacks;
}
