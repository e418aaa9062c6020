/**
 * Limits of users' merge functions; see real/merger.ts.
 */
import { limit, MIB, MINUTE_MS } from "./limit.js";

export const MERGE_LIMITS = {
  mergeMsMax: limit(
    100,
    1,
    MINUTE_MS,
    "a merge function's time for one key, and as long to wait for its turn; then the client gets the siblings",
  ),
  mergesPendingMax: limit(
    256,
    1,
    100_000,
    "reads that wait for one merge function; one more gets the siblings at once",
  ),
  mergeHeapBytesMax: limit(64 * MIB, 8 * MIB, 4096 * MIB, "what one merge function may hold in memory"),
} as const;
