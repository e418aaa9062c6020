/**
 * Limits of writes to other datacenters; see coordinator/relay.ts.
 */
import { limit, MINUTE_MS, SECOND_MS } from "./limit.js";

export const RELAY_LIMITS = {
  relayPeersMin: limit(
    2,
    2,
    1000,
    "where another datacenter has so many of its owners, a write crosses to one of them that passes it on; 1000: never",
  ),
  relayPatienceMsMin: limit(
    20,
    1,
    MINUTE_MS,
    "no relay counts as late before this: near datacenters answer sooner than a disk that is slow for once",
  ),
  relayRestMs: limit(
    2 * SECOND_MS,
    1,
    10 * MINUTE_MS,
    "an owner that was late as a relay, or did not forward, is not chosen for so long",
  ),
};
