/**
 * Ctrl-C: the first asks to stop, the second insists.
 *
 * A terminal signals every process of the foreground, and npm passes the same
 * signal on once more: what comes again within a moment is the same keystroke.
 */
import { setTimeout as sleep } from "node:timers/promises";

const SAME_KEYSTROKE_MS = 400;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Calls `onFirst` once and `onSecond` once. Returns what takes the handlers off again. */
export function onStopSignals(onFirst: () => void, onSecond: () => void, ignored?: NodeJS.Signals): () => void {
  let firstMs: number | undefined;
  let isInsisted = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (signal === ignored) return;
    const nowMs = performance.now();
    if (firstMs === undefined) {
      firstMs = nowMs;
      onFirst();
    } else if (nowMs - firstMs > SAME_KEYSTROKE_MS && !isInsisted) {
      isInsisted = true;
      onSecond();
    }
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return () => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
}

/** Waits that Ctrl-C cuts short. */
export class Waits {
  /** Takes the handlers off again. */
  readonly end: () => void;
  private readonly stopping = new AbortController();

  constructor(onSecond: () => void) {
    this.end = onStopSignals(() => this.stopping.abort(), onSecond);
  }

  /** False when Ctrl-C came first, or had come before. */
  wait(durationMs: number): Promise<boolean> {
    return sleep(durationMs, undefined, { signal: this.stopping.signal }).then(
      () => true,
      () => false,
    );
  }
}
