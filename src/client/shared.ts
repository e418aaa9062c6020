/**
 * What all calls of one client share.
 */
import type { Contexts } from "./contexts.js";
import type { Parts } from "./operation.js";
import type { Rest } from "./rest.js";

/** A call under way. */
export interface Closing {
  /** The client is closed: the call ends here. */
  close(): void;
}

export interface Shared extends Parts {
  readonly contexts: Contexts;
  readonly rest: Rest;
  /** Of calls that name none. */
  readonly timeoutMs: number;
  readonly mayHedge: boolean;
  /** Throws when the client is closed or has too much under way. */
  admit(): void;
  readonly underWay: Set<Closing>;
}
