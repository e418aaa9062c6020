/**
 * Limits of what clients may ask, and of the edge that serves them.
 */
import { HOUR_MS, KIB, type Limit, limit, MIB, MINUTE_MS, SECOND_MS, YEAR_MS } from "./limit.js";

export const EDGE_LIMITS = {
  // What a client may send.
  keyBytesMax: limit(KIB, 1, KIB, "a key is part of every row address and every message about it"),
  valueBytesMax: limit(MIB, 1, 16 * MIB, "a value is held whole in memory on each owner while it is written"),
  contentTypeBytesMax: limit(255, 1, 255, "stored with every value; its length is one byte"),
  contextBytesMax: limit(4 * KIB, 64, 8 * KIB, "travels in a header, and servers cap headers"),
  siblingsMax: limit(
    100,
    1,
    1000,
    "values of one key that nobody has resolved: with as many, a write must supersede one; merges are never refused",
  ),
  siblingsWarn: limit(
    25,
    2,
    10_000,
    "with so many values of a key the log and a metric tell of it, long before its writers are refused at siblingsMax",
  ),
  elementBytesMax: limit(4 * KIB, 1, 64 * KIB, "an element of a set, or the name of a field: names are not contents"),
  stateBytesMax: limit(
    4 * MIB,
    64 * KIB,
    16 * MIB,
    "what one key may grow to, its siblings or elements in sum: it travels and is merged whole; concurrent growth adds up",
  ),
  keptIdsMax: limit(
    10_000,
    5,
    50_000,
    "changes that a key remembers by their Idempotency-Key, 30 to 41 bytes each; up to twice as many until owners agree which to forget",
  ),
  mintRepeatAfterMs: limit(
    200,
    1,
    MINUTE_MS,
    "a change with an Idempotency-Key is asked of the next owner too when one is silent so long: it counts once",
  ),
  mintReadMs: limit(
    200,
    1,
    MINUTE_MS,
    "the first change of a key at an owner waits so long for each owner that is up to tell what it holds, and then for as many as its level needs",
  ),
  idKeptMs: limit(24 * HOUR_MS, 10, 30 * 24 * HOUR_MS, "a client that asks again later than this is counted again"),
  requestDeadlineMs: limit(2 * SECOND_MS, 1, 5 * MINUTE_MS, "a client's patience, when it names no timeout"),
  requestDeadlineMsMax: limit(30 * SECOND_MS, 1, 10 * MINUTE_MS, "no request may occupy memory for longer"),
  requestsPendingMax: limit(4096, 1, 1_000_000, "requests a coordinator works on at once; one more is 503 overloaded"),

  // Batches and listings.
  batchItemsMax: limit(1000, 1, 10_000, "each counts like a request of its own among requestsPendingMax"),
  batchBytesMax: limit(
    4 * MIB,
    64 * KIB,
    64 * MIB,
    "parsed in one go: this is how long the loop stands still for it; one value of valueBytesMax fits in base64",
  ),
  batchAnswerBytesMax: limit(
    16 * MIB,
    MIB,
    256 * MIB,
    "values in one answer, in memory at once; what is more is 413 for its item and may be read alone",
  ),
  batchTurnItemsMax: limit(128, 1, 10_000, "items that one turn begins with: others are served between two such turns"),
  gatherItemsMax: limit(128, 1, 10_000, "items of one message to a peer: others' questions get in between"),
  gatherBytesMax: limit(MIB, 64 * KIB, 16 * MIB, "the same in bytes; one value of any size travels alone"),
  sumsPendingMax: limit(
    2,
    1,
    1000,
    "sums of one counter that are written at once: while they are, its next one grows, for 20 windows at most",
  ),
  listKeysMax: limit(1000, 1, 10_000, "keys of one page: an answer of about a megabyte at most"),
  listRowsMax: limit(
    65_536,
    1024,
    10_000_000,
    "rows that owners look at for one page: a sparse bucket gets a short page and goes on from there",
  ),
  listRangesMax: limit(64, 1, 1024, "partitions asked for at once by one listing"),

  rangeItemsMax: limit(1000, 1, 10_000, "cells of one page of a range read"),
  rangeBytesMax: limit(
    MIB,
    64 * KIB,
    16 * MIB,
    "states in one page of a range read, in memory at once for each owner asked; one cell of any size fits",
  ),

  // The edge.
  admissionWaitMs: limit(
    100,
    1,
    MINUTE_MS,
    "requests that are at hand for longer than this while the node has no rest are too many: it refuses some of them",
  ),
  refusalHoldMsMax: limit(
    SECOND_MS,
    0,
    10 * SECOND_MS,
    "a refusal that comes at once invites the next request at once: beyond as many as are served, refusals are held back",
  ),
  connectionsPendingMax: limit(
    128,
    1,
    65_535,
    "connections that the kernel keeps waiting: one is accepted in each turn of the loop, and who waits longer has given up",
  ),
  connectionsMax: limit(10_000, 1, 1_000_000, "client connections of one node"),
  bodyBytesPendingMax: limit(
    128 * MIB,
    MIB,
    4096 * MIB,
    "bodies that are arriving or being stored, in sum; one more is 503 overloaded",
  ),
  answerBytesPendingMax: limit(
    256 * MIB,
    MIB,
    4096 * MIB,
    "answers that are not read, in sum; beyond it whoever has had the longest time is cut off",
  ),
  headersDeadlineMs: limit(10 * SECOND_MS, 100, 10 * MINUTE_MS, "a slow trickle of headers must not hold a connection"),
  bodyDeadlineMs: limit(60 * SECOND_MS, 100, 60 * MINUTE_MS, "a whole request: 1 MiB over a thin line"),
  keepAliveMs: limit(
    75 * SECOND_MS,
    0,
    60 * MINUTE_MS,
    "above the idle time of usual clients and proxies, so that they close and not we: no lost race",
  ),
  lingerMsMax: limit(
    2 * SECOND_MS,
    10,
    MINUTE_MS,
    "how long a refused body is read away, so that its sender sees the answer",
  ),
  targetBytesMax: limit(
    8 * KIB,
    KIB,
    64 * KIB,
    "a request's path: longer than the longest percent-encoded key with every parameter",
  ),
  ttlMsMax: limit(1000 * YEAR_MS, SECOND_MS, 10_000 * YEAR_MS, "an expiry must stay a safe integer"),
  headerBytesMax: limit(16 * KIB, KIB, MIB, "all headers of one request"),
  eventListenersMax: limit(64, 0, 10_000, "streams of events of one node: people and dashboards, not clients"),
  eventBytesPendingMax: limit(
    256 * KIB,
    KIB,
    16 * MIB,
    "events waiting for one listener; whoever reads so slowly is dropped and may come again",
  ),
  eventHeartbeatMs: limit(
    15 * SECOND_MS,
    10,
    10 * MINUTE_MS,
    "a silent stream says so often that it lives, below the idle time of usual proxies",
  ),
  statsIntervalMs: limit(SECOND_MS, 10, MINUTE_MS, "what a stats event sums up"),
  startSettleMs: limit(
    1500,
    0,
    MINUTE_MS,
    "how long a starting node waits for its votes before it says that it is ready",
  ),
  drainNoticeMs: limit(
    250,
    0,
    MINUTE_MS,
    "how long a stopping node is still there for those who have not heard of it, before its port closes",
  ),
  drainMsMax: limit(
    5 * SECOND_MS,
    10,
    10 * MINUTE_MS,
    "how long a stopping node finishes requests before it cuts them off",
  ),
} as const satisfies Record<string, Limit>;
