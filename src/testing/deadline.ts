/**
 * No wait without an end. Timers are taken from the modules of Node.js, not from
 * the globals, which test runners replace by fake ones.
 */
import { clearTimeout, setTimeout } from "node:timers";
import { setTimeout as wait } from "node:timers/promises";

/** How often a question is repeated whose answer takes a while. */
const REPEAT_MS = 10;

/**
 * What `work` comes to, or an error when that takes longer: the complaint, and
 * below it the lines that may say why. The timer also keeps the process alive
 * meanwhile: nothing else of a cluster does.
 */
export async function within<Result>(
  deadlineMs: number,
  work: Promise<Result>,
  complaint: () => string,
  lines: () => string = () => "",
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<never>((_, reject) => {
    const onOverdue = () => reject(new Error(`${complaint()}: given up after ${deadlineMs} ms\n${lines()}`.trimEnd()));
    timer = setTimeout(onOverdue, deadlineMs);
  });
  try {
    return await Promise.race([work, overdue]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again until there is nothing left to complain of. */
export async function untilNone(
  deadlineMs: number,
  ask: () => Promise<readonly string[]>,
  lines: () => string,
): Promise<void> {
  let complaints: readonly string[] = [];
  let isOver = false;
  const asking = async () => {
    while (!isOver) {
      complaints = await ask();
      if (complaints.length === 0) return;
      await wait(REPEAT_MS);
    }
  };
  try {
    await within(deadlineMs, asking(), () => complaints.join("; "), lines);
  } finally {
    isOver = true;
  }
}
