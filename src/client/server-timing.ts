/**
 * `Server-Timing` as a node writes it, one entry per replica asked:
 * `n1;dur=0.25;desc="self same", n2;start=1.5;desc="first pending"`. Pure.
 */
import type { Replica } from "./options.js";

export function parseServerTiming(header: string | undefined): Replica[] {
  if (header === undefined || header === "") return [];
  return header.split(", ").map(replicaOf);
}

function replicaOf(entry: string): Replica {
  const parts = entry.split(";");
  let askedMs = 0;
  let ms: number | undefined;
  let told = "";
  for (const part of parts) {
    if (part.startsWith("start=")) askedMs = Number(part.slice(6));
    else if (part.startsWith("dur=")) ms = Number(part.slice(4));
    else if (part.startsWith("desc=")) told = part.slice(6, -1);
  }
  const space = told.indexOf(" ");
  return { node: parts[0] as string, askedMs, ms, role: told.slice(0, space), state: told.slice(space + 1) };
}
