/**
 * Which lane a message takes to its peer: by its kind, its cause and its size.
 */
import { unreachable } from "../base/assert.js";
import type { Lane } from "../ports.js";
import type { Cause, Message } from "./messages.js";

/** A message larger than this holds up all that are behind it on the line: it yields like bulk. */
const SMALL_BYTES_MAX = 64 * 1024;

/** The lane of a message that comes to so many bytes. A recall goes where its question went: see `Rpc`. */
export function laneOf(message: Message, bytes: number): Lane {
  const lane = laneOfKind(message);
  return lane === "small" && bytes > SMALL_BYTES_MAX ? "bulk" : lane;
}

function laneOfKind(message: Message): Lane {
  switch (message.kind) {
    case "ping":
    case "pong":
    case "ping-request":
    case "ping-request-reply":
    case "refused":
      return "control";
    case "read":
    case "read-reply":
    case "merge-reply":
    case "mint":
    case "mint-reply":
    case "once":
    case "keep-hint":
    case "keep-hint-reply":
    case "relay":
    case "forwarded":
    case "cancel":
      return "small";
    case "merge":
      return laneOfCause(message.cause);
    case "push-pull":
    case "push-pull-reply":
    case "scan":
    case "scan-reply":
    case "range":
    case "range-reply":
    case "sync-shared":
    case "sync-shared-reply":
    case "sync-blocks":
    case "sync-blocks-reply":
    case "reap-vote":
    case "reap":
    case "reap-reply":
      return "bulk";
    default:
      return unreachable(message);
  }
}

/** A client waits for a write, and for the mend of what it reads. */
function laneOfCause(cause: Cause): Lane {
  return cause === "write" || cause === "mend" ? "small" : "bulk";
}
