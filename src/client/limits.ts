/**
 * Every limit of a client, with its unit and reason. An application may set
 * each of them by name: `new MurmurClient({ nodes, limits: { socketsMax: 8 } })`.
 */
const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND_MS = 1000;

export const CLIENT_LIMITS = {
  /** One operation from call to result, retries included, when the call names no timeoutMs: the node's own default. */
  timeoutMs: 2 * SECOND_MS,
  /** So much less is given to the node than is left, so that its own verdict, with its counts, arrives in time. */
  answerMarginMs: 20,
  /** A node refuses a timeout beyond its own requestDeadlineMsMax. */
  serverTimeoutMsMax: 30 * SECOND_MS,
  /** Operations under way at once; one more is refused as overloaded. */
  requestsPendingMax: 4096,
  /** Connections to one node; requests beyond wait for a free one, within their deadline. */
  socketsMax: 64,
  /** An unused connection is closed by us, well before the node would close it: no lost race. */
  idleSocketMs: 30 * SECOND_MS,
  /** An answer longer than the largest value in its largest form did not come from a node. */
  answerBytesMax: 64 * MIB,

  /** Requests sent for one operation. */
  attemptsMax: 8,
  /** The first wait before a retry is a random part of this; it doubles with each. */
  backoffMs: 10,
  backoffMsMax: 500,
  /** A node that said "unavailable" is asked last for so long: it may only just have started. */
  unavailableRestMs: 100,
  /** Retries in percent of operations, so that they never multiply an overload… */
  retryPercent: 20,
  /** …and how many may be saved up for a bad moment. */
  retryTokensMax: 50,

  /** A second coordinator is asked after the first one's usual time, but never sooner than this, */
  hedgeMsMin: 5,
  /** and never later than this; */
  hedgeMsMax: 250,
  /** and after this while the usual time is not known. */
  hedgeUnmeasuredMs: 50,
  /** Second requests in percent of reads, and how many may be saved up for a stall. */
  hedgePercent: 10,
  hedgeTokensMax: 50,
  /** What a node's latency was so long ago counts half. */
  latencyHalfLifeMs: 30 * SECOND_MS,

  /** So many broken connections in a row take a node out; a refused one does at once. */
  failuresMax: 3,
  /** A node that is out is asked in the background whether it is ready: after this, doubling, */
  probeMs: 100,
  /** up to this. */
  probeMsMax: 2 * SECOND_MS,
  /** A paused node answers when it goes on, so that a probe may wait longer than a request. */
  probeTimeoutMs: 10 * SECOND_MS,

  /** The cluster is looked at again so often, */
  refreshMs: 30 * SECOND_MS,
  /** and after errors no sooner than this after the last look. */
  refreshMsMin: SECOND_MS,
  refreshTimeoutMs: 5 * SECOND_MS,
  /** Increments of a bucket that wait to be sent together, or are on their way: about 300 bytes each; one more is refused. */
  sumCallsMax: 262_144,
  /** Requests for their sums at once, of a bucket or of one addMany; further increments wait, and are added up meanwhile. */
  sumRequestsMax: 4,
  /** Keys whose last context is remembered; the least recently used is forgotten. */
  contextsMax: 10_000,
} as const;

export type ClientLimits = { readonly [Name in keyof typeof CLIENT_LIMITS]: number };

/** With none of these a client could do nothing at all. */
export const AT_LEAST_ONE: ReadonlySet<string> = new Set<keyof ClientLimits>([
  "requestsPendingMax",
  "socketsMax",
  "answerBytesMax",
  "attemptsMax",
  "failuresMax",
  "latencyHalfLifeMs",
  "sumCallsMax",
  "sumRequestsMax",
]);
