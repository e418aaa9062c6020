/**
 * Mend: read repair (Dynamo 5). Whoever is behind is sent the merged state, with its own stamps.
 */
import type { NodeId } from "../ports.js";
import type { Entry } from "../wire/messages.js";
import type { Ask } from "./ask.js";
import type { CoordinatorParts } from "./parts.js";

/** Sends `state` to an owner; `onHeld` comes when it holds it durably, and never otherwise. */
export function sendMend(
  parts: CoordinatorParts,
  ask: Ask,
  node: NodeId,
  row: Uint8Array,
  { state, bornAtUs }: Omit<Entry, "row">,
  onHeld: (votes: boolean) => void,
): void {
  parts.meter.count("murmur_mends_total");
  ask.send(node, { kind: "merge", cause: "mend", entries: [{ row, state, bornAtUs }] }, (reply) => {
    const result = reply?.kind === "merge-reply" ? reply.results[0] : undefined;
    if (result?.status === "ok") onHeld(result.votes);
  });
}
