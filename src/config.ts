/**
 * Every limit there is, and the levels.
 *
 * Everything in MurmurDB is bounded, and every bound has its name, unit and
 * reason here. A `cluster.yaml` may set each of them by that name under
 * `limits:`. Full means refuse early, never grow.
 */

interface Limit {
  readonly value: number;
  readonly least: number;
  readonly most: number;
  readonly reason: string;
}

function limit(value: number, least: number, most: number, reason: string): Limit {
  return { value, least, most, reason };
}

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const YEAR_MS = 366 * 24 * 60 * MINUTE_MS;

/** Name, default, permitted range and reason of every limit. */
export const LIMITS = {
  // What a client may send.
  keyBytesMax: limit(KIB, 1, KIB, "a key is part of every row address and every message about it"),
  valueBytesMax: limit(MIB, 1, 16 * MIB, "a value is held whole in memory on each owner while it is written"),
  contentTypeBytesMax: limit(255, 1, 255, "stored with every value; its length is one byte"),
  contextBytesMax: limit(4 * KIB, 64, 8 * KIB, "travels in a header, and servers cap headers"),
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
  listKeysMax: limit(1000, 1, 10_000, "keys of one page: an answer of about a megabyte at most"),
  listRowsMax: limit(
    65_536,
    1024,
    10_000_000,
    "rows that owners look at for one page: a sparse bucket gets a short page and goes on from there",
  ),
  listRangesMax: limit(64, 1, 1024, "partitions asked for at once by one listing"),

  // Between nodes.
  frameBytesMax: limit(
    32 * MIB,
    MIB,
    256 * MIB,
    "larger than the largest message; a claimed length beyond it closes the connection",
  ),
  peerQueueBytesMax: limit(
    64 * MIB,
    MIB,
    1024 * MIB,
    "frames waiting for one peer; beyond it frames are dropped, as a datagram may be",
  ),
  dialRetryMsMin: limit(50, 1, MINUTE_MS, "first wait after a failed dial"),
  dialRetryMsMax: limit(SECOND_MS, 1, MINUTE_MS, "waits double up to this, so that a returning peer is found soon"),
  handshakeDeadlineMs: limit(2 * SECOND_MS, 10, MINUTE_MS, "a stranger who says nothing is dropped"),
  handshakeVerdictMs: limit(
    3 * SECOND_MS,
    10,
    MINUTE_MS,
    "a newcomer refused by somebody and accepted by nobody for so long gives up",
  ),
  handshakesPendingMax: limit(64, 1, 4096, "unproven connections held at once"),
  handshakeBytesMax: limit(
    8 * KIB,
    4 * KIB,
    64 * KIB,
    "one message of a handshake: what a stranger can make a node hold is this times the pending ones",
  ),

  // Failure detection.
  pingIntervalMs: limit(500, 10, MINUTE_MS, "how often each peer is asked whether it lives"),
  peerSilenceMsMax: limit(1600, 30, 10 * MINUTE_MS, "three pings unanswered: the peer counts as down"),
  clockSkewMsMax: limit(
    10 * SECOND_MS,
    10,
    60 * MINUTE_MS,
    "stamps further ahead do not raise our clock; a node this far off its peers' median stops coordinating",
  ),

  // Stamps.
  stampBoundStepMs: limit(
    2 * SECOND_MS,
    10,
    10 * MINUTE_MS,
    "how far ahead of use the bound of minted stamps is persisted",
  ),

  // Storage.
  commitRowsMax: limit(1024, 1, 1_000_000, "rows in one group commit: bounds how long the next one waits"),
  pendingCommitBytesMax: limit(
    64 * MIB,
    MIB,
    1024 * MIB,
    "values waiting for the disk; beyond it writes are refused as overloaded",
  ),
  walBytesMax: limit(32 * MIB, MIB, 1024 * MIB, "the log is folded back into the database file beyond this"),
  scanRowsMax: limit(1024, 16, 100_000, "rows read in one turn, so that a scan never stalls requests"),

  scanBytesMax: limit(4 * MIB, 64 * KIB, 256 * MIB, "values read by one scan: large values must not stall it either"),

  // Reads and writes.
  hedgeUnmeasuredMs: limit(20, 1, MINUTE_MS, "a replica of which too little is known is hedged after this"),
  hedgeMsMin: limit(1, 1, MINUTE_MS, "a quantile is hedged no sooner: timers count whole milliseconds"),
  hedgeTokensMax: limit(
    256,
    1,
    1_000_000,
    "spare questions that quiet times save up: as many reads as meet one stall before it shows",
  ),
  latencyHalfLifeMs: limit(
    10 * SECOND_MS,
    100,
    60 * MINUTE_MS,
    "after this an answer's time counts half: long enough for a p99, short enough to follow the day",
  ),
  peerProbeIntervalMs: limit(
    100,
    1,
    MINUTE_MS,
    "a replica that reads avoid is asked again this often, so that its answers can restore it",
  ),
  mendSpareAfterMs: limit(50, 1, MINUTE_MS, "a mend that a read waits for also goes to a spare after this"),

  // Anti-entropy.
  syncIntervalMs: limit(2 * SECOND_MS, 10, 60 * MINUTE_MS, "how often a node compares itself with each peer"),
  syncRangeRowsMax: limit(256, 8, 65_536, "a range with no more rows is listed row by row instead of split"),
  syncRangesMax: limit(64, 4, 4096, "ranges compared in one message"),
  syncBatchBytesMax: limit(MIB, 64 * KIB, 16 * MIB, "states moved in one message of a sync"),
  syncDeadlineMs: limit(
    5 * SECOND_MS,
    10,
    10 * MINUTE_MS,
    "one question of a sync; a peer that does not answer is tried again next round",
  ),
  healRowsPendingMax: limit(
    1024,
    1,
    100_000,
    "damaged rows waiting to be fetched anew; more are found again when they are met again",
  ),
  syncRetryMs: limit(100, 10, MINUTE_MS, "a node that rebuilds compares itself again after this"),
  settleMs: limit(2 * SECOND_MS, 0, 10 * MINUTE_MS, "a difference younger than this is a write still under way"),

  // The edge.
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

/** The limits a node runs with, by name. */
export type Limits = { readonly [Name in keyof typeof LIMITS]: number };

export const DEFAULT_LIMITS: Limits = Object.fromEntries(
  Object.entries(LIMITS).map(([name, { value }]) => [name, value]),
) as Limits;

/** How many answers a request needs, before N and the datacenters are known. A number is a count of owners. */
export type Level =
  | "ANY"
  | "ONE"
  | "TWO"
  | "THREE"
  | "QUORUM"
  | "ALL"
  | "LOCAL_ONE"
  | "LOCAL_QUORUM"
  | "EACH_QUORUM"
  | number;

export const LEVEL_NAMES = [
  "ANY",
  "ONE",
  "TWO",
  "THREE",
  "QUORUM",
  "ALL",
  "LOCAL_ONE",
  "LOCAL_QUORUM",
  "EACH_QUORUM",
] as const;
