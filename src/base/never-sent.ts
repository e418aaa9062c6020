/**
 * Never sent: what a failed request may be repeated after without a thought, even a write.
 */

/** Codes of network errors that come before any byte of a request has left: whatever it asks for was not done. */
export const NEVER_SENT: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
]);
