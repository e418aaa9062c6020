/**
 * Limits that a node names when it refuses what is beyond them: what a command asks for by itself it then asks for
 * again within them. What a user has asked for is refused as it stands.
 */
import { type Answer, jsonOf } from "./cluster.js";

/** The most that the node takes; undefined unless that is why it refused. */
export function limitTold(answer: Answer, name: string): number | undefined {
  if (answer.status !== 400 && answer.status !== 413) return undefined;
  const { limits } = jsonOf(answer) as { limits?: Readonly<Record<string, unknown>> };
  const value = limits?.[name];
  return typeof value === "number" && value >= 1 ? value : undefined;
}
