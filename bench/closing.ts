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

/** What closes each thing that is not closed yet. */
const open = new Set<() => Promise<void>>();

/** Runs `work`; what it keeps is closed behind it, the last first. */
export async function closingAfter<Result>(
  work: (keep: <Kept extends Closable>(thing: Kept) => Kept) => Promise<Result>,
): Promise<Result> {
  const opened: Array<() => Promise<void>> = [];
  try {
    return await work((thing) => {
      opened.unshift(closer(thing));
      return thing;
    });
  } finally {
    for (const close of opened) await close();
  }
}

/** Closes whatever any bench still keeps, and waits for what is being closed. */
export async function closeAll(): Promise<void> {
  await Promise.all([...open].map((close) => close()));
}

/** A folder that is removed when it is closed. */
export function temporaryFolder(): Closable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "murmur-bench-"));
  return { path, close: async () => rmSync(path, { recursive: true, force: true }) };
}

/** Closes once. Ctrl-C ends the nodes too, so a bench may have failed and be closing when the signal is heard. */
function closer(thing: Closable): () => Promise<void> {
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= thing.close().finally(() => open.delete(close));
    return closing;
  };
  open.add(close);
  return close;
}
