/**
 * Assertions are always on. A broken assertion is a programmer's error: the
 * node crashes, because a wrong answer is worse than none, and restarts from
 * what is durable. Operating errors are values, never assertions.
 */

class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Crashes with `sentence` unless `condition` holds. */
export function assert(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new AssertionError(sentence);
}

/** Ends every switch over a closed union: the compiler proves that it is never called. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable case: ${JSON.stringify(value)}`);
}
