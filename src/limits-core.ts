/**
 * Limits of what nodes do among themselves and with their disks.
 */
import { HOUR_MS, KIB, type Limit, limit, MIB, MINUTE_MS, SECOND_MS } from "./limit.js";

export const CORE_LIMITS = {
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
    "data waiting for one peer, small and bulk each; beyond it frames are dropped, as a datagram may be",
  ),
  controlQueueBytesMax: limit(
    MIB,
    64 * KIB,
    64 * MIB,
    "the same for what says who lives: of that, a moment's is enough, and the next one says it again",
  ),
  breakerPatienceMs: limit(
    250,
    1,
    MINUTE_MS,
    "a question with less time than this says nothing about its peer when no answer comes in time",
  ),
  breakerOpenMs: limit(
    500,
    1,
    MINUTE_MS,
    "a peer that fails ten questions in a row is given this rest, and twice as long each further time",
  ),
  breakerOpenMsMax: limit(
    4 * SECOND_MS,
    1,
    10 * MINUTE_MS,
    "the longest rest: a peer that is well again is soon asked",
  ),
  coalesceWaitMs: limit(
    5,
    0,
    SECOND_MS,
    "reads of one key wait so long for the one that runs, then share the next: a slow owner must not hold them up",
  ),
  coalesceMsMax: limit(100, 1, SECOND_MS, "the longest that a bucket may let its increments wait for one another"),
  incrementBytesMax: limit(
    16 * MIB,
    64 * KIB,
    1024 * MIB,
    "keys and callers of increments that wait to be written together, or are being: 256 bytes and its key each",
  ),
  hotKeyCacheMs: limit(
    0,
    0,
    10 * SECOND_MS,
    "so old may be what a read at ONE of a hot key is answered with; 0: nothing is kept, each read asks an owner",
  ),
  shedLagMs: limit(
    200,
    10,
    MINUTE_MS,
    "a node whose loop is late by this refuses its peers' scans; by twice as much repairs, three times reads, four times writes",
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
  pingIntervalMs: limit(500, 10, MINUTE_MS, "how often peers are asked whether they live: the period of SWIM"),
  peerSilenceMsMax: limit(
    1600,
    30,
    10 * MINUTE_MS,
    "whoever left us unanswered for so long, pings among it, counts as down for us",
  ),
  probedPeersMax: limit(
    4,
    1,
    64,
    "peers pinged in one interval: all of a cluster of five; the load of a larger one does not grow with it",
  ),
  helpingPeersMax: limit(
    3,
    0,
    16,
    "peers asked to ping one that did not answer: all three paths are rarely cut at once",
  ),
  suspicionFactor: limit(
    5,
    1,
    100,
    "intervals, times log10(n), in which a suspect may refute: rumours need about log(n) of them each way",
  ),
  suspicionSpreadFactor: limit(
    6,
    1,
    100,
    "a suspicion that nobody confirms waits so many times longer: one accuser alone may be the one that is slow",
  ),
  awarenessFactorMax: limit(
    8,
    0,
    64,
    "a node that misses answers waits up to so many times longer for others, besides once",
  ),
  gossipFactor: limit(3, 1, 20, "each news is sent this times ln(n) times: then all know it, with high probability"),
  gossipBytesMax: limit(512, 512, 64 * KIB, "news of members on one message: a score of them, and still one packet"),
  pushPullIntervalMs: limit(
    30 * SECOND_MS,
    10,
    60 * MINUTE_MS,
    "how seldom whole tables of members are compared, when that has taught nothing new for a while",
  ),
  clockSkewMsMax: limit(
    10 * SECOND_MS,
    10,
    60 * MINUTE_MS,
    "stamps further ahead do not raise our clock; a node this far off its peers' median stops coordinating",
  ),

  carrierAgeMaxMs: limit(
    180 * MINUTE_MS,
    30,
    60_000 * MINUTE_MS,
    "a state that travels for longer is refused; whoever forgets a tombstone waits longer than this",
  ),

  // Forgetting.
  reapIntervalMs: limit(
    SECOND_MS,
    10,
    60 * MINUTE_MS,
    "a slice of the stored rows is looked through for dead ones this often",
  ),
  reapRowsMax: limit(
    262_144,
    16,
    100_000_000,
    "dead rows that wait for their second vote, at about 100 bytes each; more are met again later",
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
  overwriteItemsMax: limit(1000, 0, 100_000, "lost values that are listed of those told, and of blind writes"),
  mendSpareAfterMs: limit(50, 1, MINUTE_MS, "a mend that a read waits for also goes to a spare after this"),

  // Hints.
  hintAgeMsMax: limit(
    3 * HOUR_MS,
    SECOND_MS,
    7 * 24 * HOUR_MS,
    "an owner that is away for longer gets what it missed from the other owners: by sync, not by hints",
  ),
  hintRowsMax: limit(
    100_000,
    0,
    10_000_000,
    "rows kept for one owner: each takes about 200 bytes of memory; 0: no hints",
  ),
  hintBytesMax: limit(256 * MIB, 0, 64 * 1024 * MIB, "states kept on disk for one owner"),
  hintsOwedBytesMax: limit(
    64 * MIB,
    0,
    1024 * MIB,
    "states held in memory until silent owners have had their time; beyond it they are left to sync",
  ),
  hintBytesPendingMax: limit(16 * MIB, 64 * KIB, 1024 * MIB, "hints waiting for the disk: rows come first"),
  hintAnyAfterMs: limit(100, 1, MINUTE_MS, "a write at ANY that no owner acknowledged so long is kept as hints"),
  hintBatchRows: limit(128, 1, 10_000, "rows delivered in one message"),
  hintBatchBytes: limit(MIB / 4, KIB, 16 * MIB, "the same in bytes; one state of any size travels alone"),
  hintSecondBytes: limit(8 * MIB, KIB, 1024 * MIB, "delivered in a second: an owner that is back has clients too"),
  hintRetryMs: limit(SECOND_MS, 10, 10 * MINUTE_MS, "an owner that took no hints is offered them again after this"),
  hintFlushesPendingMax: limit(64, 1, 10_000, "requests that wait until hints are delivered"),

  // Anti-entropy.
  syncIntervalMs: limit(2 * SECOND_MS, 10, 60 * MINUTE_MS, "how often a node compares itself with each peer"),
  syncBlockRowsMax: limit(32, 8, 65_536, "a block with no more rows is listed row by row instead of split"),
  syncBlocksMax: limit(64, 4, 4096, "blocks compared in one message"),
  syncBatchRowsMax: limit(256, 8, 65_536, "rows moved in one message of a sync"),
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
  healRetryMs: limit(
    SECOND_MS,
    1,
    HOUR_MS,
    "a row that the disk refused is left alone so long, then twice as long: its commit fails those of others too",
  ),
  healRetryMsMax: limit(10 * MINUTE_MS, 1, 24 * HOUR_MS, "the longest of these waits"),
  scrubIntervalMs: limit(
    7 * 24 * HOUR_MS,
    SECOND_MS,
    24 * 24 * HOUR_MS,
    "all rows are read against their checksums once in this time: damage must not be older when the last sound copy goes",
  ),
  scrubBytesMax: limit(MIB, KIB, 64 * MIB, "values checked in one turn: about two milliseconds of hashing"),
  salvageIntervalMs: limit(
    HOUR_MS,
    SECOND_MS,
    7 * 24 * HOUR_MS,
    "a store that breaks again so soon lies on a broken disk: it is not put into a new file again before",
  ),
  repairPatienceMs: limit(
    MINUTE_MS,
    SECOND_MS,
    24 * HOUR_MS,
    "a repair waits so long for a peer that exchanges rows with others, and for damaged rows to be fetched anew",
  ),
  syncLeaseMs: limit(
    500,
    10,
    MINUTE_MS,
    "a node exchanges rows with one peer at a time: one that asked nothing for so long has ended",
  ),
  treeLeavesMax: limit(
    65_536,
    1,
    4_194_304,
    "of 20 bytes in memory each, 1.3 MB by default: 150 rows a leaf at 10 million rows a node",
  ),
  treeNoteIntervalMs: limit(
    10 * MINUTE_MS,
    SECOND_MS,
    24 * 60 * MINUTE_MS,
    "trees that writes have left alone are noted on disk so often: what is noted is not summed up after a crash",
  ),
  upkeepIdlePercent: limit(50, 1, 100, "the event loop's time that upkeep may take while no client waits"),
  upkeepBusyPercent: limit(20, 1, 100, "the same while requests are under way"),
  upkeepLagMs: limit(10, 1, MINUTE_MS, "timers later than this mean a loop that is too busy: upkeep takes less of it"),
  upkeepRestMsMax: limit(250, 1, MINUTE_MS, "upkeep rests no longer between two turns, so that it never starves"),
  syncRetryMs: limit(100, 10, MINUTE_MS, "a node that rebuilds compares itself again after this"),
  settleMs: limit(2 * SECOND_MS, 0, 10 * MINUTE_MS, "a difference younger than this is a write still under way"),
} as const satisfies Record<string, Limit>;
