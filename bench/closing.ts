/**
 * What a bench opens is closed: at its end, after a failure, and on Ctrl-C.
 * No process and no folder outlives the command.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Closable {
  close(): Promise<void>;
}

/** Everything kept and not closed yet, in the order of opening. */
const kept = new Set<Closable>();

/** Runs `work`; what it keeps is closed behind it, the last first. */
export async function closingAfter<Result>(
  work: (keep: <Kept extends Closable>(thing: Kept) => Kept) => Promise<Result>,
): Promise<Result> {
  const opened: Closable[] = [];
  try {
    return await work((thing) => {
      opened.unshift(thing);
      kept.add(thing);
      return thing;
    });
  } finally {
    for (const thing of opened) await close(thing);
  }
}

/** Closes whatever any bench still keeps. */
export async function closeAll(): Promise<void> {
  await Promise.all([...kept].map(close));
}

/** A folder that is removed when it is closed. */
export function temporaryFolder(): Closable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "murmur-bench-"));
  return { path, close: async () => rmSync(path, { recursive: true, force: true }) };
}

async function close(thing: Closable): Promise<void> {
  if (kept.delete(thing)) await thing.close();
}
