/**
 * Every metric of a node: its kind, its labels and what it tells.
 *
 * The core counts by name alone. What a name means is told here, once: to whoever
 * scrapes (`# HELP`), and on the page docs/metrics.md.
 */
export type Kind = "counter" | "gauge" | "histogram";

export interface Metric {
  readonly kind: Kind;
  /** One sentence. */
  readonly help: string;
  /** What each label may be. */
  readonly labels: Readonly<Record<string, string>>;
}

type Metrics = Readonly<Record<string, Metric>>;
type Labels = Metric["labels"];

const counter = (help: string, labels: Labels = {}): Metric => ({ kind: "counter", help, labels });
const gauge = (help: string, labels: Labels = {}): Metric => ({ kind: "gauge", help, labels });
const histogram = (help: string, labels: Labels): Metric => ({ kind: "histogram", help, labels });

const LEVEL = "the level asked for";
const PEER = "the other node";

const REQUESTS: Metrics = {
  murmur_reads_total: counter("Reads that this node coordinated, each key of a batch among them.", {
    level: LEVEL,
    result: "ok, not-found, or the failure's code",
  }),
  murmur_writes_total: counter("Writes that this node coordinated, each of a batch among them.", {
    level: LEVEL,
    result: "ok, or the failure's code",
  }),
  murmur_request_seconds: histogram("From a request having arrived in full to its answer.", {
    operation: "read, write, batch, list",
  }),
  murmur_requests_refused_total: counter("Requests refused before the store was asked.", { code: "the problem's" }),
  murmur_requests_admitted: gauge("Requests at hand, from their first line to the end of their answer."),
  murmur_requests_pending: gauge("Requests that wait for the store; each item of a batch is one."),
  murmur_body_bytes_pending: gauge("Bytes of bodies that are arriving or being stored."),
  murmur_connections: gauge("Connections of clients."),
  murmur_answers_cut_total: counter("Answers cut off because their clients did not read them."),
  murmur_event_listeners: gauge("Listeners of /v1/events."),
  murmur_event_listeners_dropped_total: counter("Listeners that read too slowly and were dropped."),
};

const OVERLOAD: Metrics = {
  murmur_shed_total: counter("Requests and questions refused for lack of time.", {
    work: "of clients: read, write, many; of peers: read, write, repair, scan",
    from: "client, peer",
  }),
  murmur_expired_total: counter("Questions of peers that nobody waited for any more.", {
    work: "read, write, repair, scan",
  }),
  murmur_frames_dropped_total: counter("Frames to peers that found their lane full.", { lane: "control, small, bulk" }),
  murmur_retries_total: counter("Spares for owners that were too busy.", { outcome: "sent, refused" }),
  murmur_breaker_openings_total: counter("How often the breaker of a peer opened.", { peer: PEER }),
  murmur_breaker_open: gauge("1 while the breaker of a peer is open, else 0.", { peer: PEER }),
  murmur_reads_coalesced_total: counter("Reads that shared the question of another."),
  murmur_reads_cached_total: counter("Reads of hot keys that the cache answered."),
};

const READS_AND_WRITES: Metrics = {
  murmur_peer_seconds: histogram("From a read's question to another node to its answer.", { peer: PEER }),
  murmur_hedges_total: counter("Spare questions of hedged reads.", { outcome: "sent, won, wasted, refused" }),
  murmur_mends_total: counter("Replicas found behind by a read and sent the merged state."),
  murmur_uncounted_answers_total: counter("Answers of owners that do not vote yet: merged, and not counted."),
  murmur_beaten_total: counter("Acknowledgements that said: a higher stamp is here. The write is stamped anew once."),
  murmur_register_overwrites_total: counter("Register values or writes that were lost unseen.", {
    kind: "stale, blind, beaten",
  }),
  murmur_mints_total: counter("Changes that this node was asked to make as an owner.", {
    status:
      "minted, refused, or why not: not-voting, clock-skew, unvouched, absent, overloaded, disk-full, damaged, stale, malformed",
  }),
  murmur_mints_repeated_total: counter("Changes with an Idempotency-Key asked of a further owner, as one was silent."),
  murmur_increments_coalesced_total: counter("Increments that joined one before them and were written with it."),
  murmur_any_by_hints_total: counter("Writes at ANY acknowledged by hints alone."),
  murmur_relayed_writes_total: counter("Writes sent to another datacenter through one of its owners."),
  murmur_relay_fallbacks_total: counter("Relayed writes of which owners were asked directly after all.", {
    reason: "late, refused",
  }),
  murmur_siblings_warned_total: counter("Reads and writes that met a key with siblingsWarn siblings or more.", {
    bucket: "as in the cluster file; * for all others",
  }),
  murmur_user_merges_total: counter("Reads that a bucket's merge function was asked about.", {
    result: "merged, failed, timeout, busy",
  }),
};

const HINTS: Metrics = {
  murmur_hints_pending: gauge("Writes kept for an owner that missed them.", { target: "the owner" }),
  murmur_hints_kept_total: counter("Hints taken."),
  murmur_hints_delivered_total: counter("Hints that their owner has taken."),
  murmur_hints_expired_total: counter("Hints given up because they were too old."),
  murmur_hints_refused_total: counter("Hints not taken: what they hold is left to sync.", {
    reason: "age, bytes, count, busy, disk, owed, malformed",
  }),
  murmur_hints_dropped_total: counter("Hints given up for another reason than age.", {
    reason: "damaged, refused, stale, bound",
  }),
};

const UPKEEP: Metrics = {
  murmur_syncs_total: counter("Comparisons with a peer that this node began.", { end: "complete, broken, busy" }),
  murmur_sync_rows_total: counter("Rows that syncs moved.", { direction: "pulled, pushed" }),
  murmur_scrubbed_rows_total: counter("Rows read against their checksums."),
  murmur_scrub_found_total: counter("What the scrubber found wrong.", { kind: "row, stray, leaf, gap, order" }),
  murmur_damaged_rows_total: counter("Damage met while reading the store."),
  murmur_healed_rows_total: counter("Damaged rows that were fetched anew."),
  murmur_salvages_total: counter("Stores put together anew because their order was broken.", {
    end: "complete, failed",
  }),
  murmur_incarnations_total: counter("New lives begun because the store could not vouch for its past."),
};

const FORGETTING: Metrics = {
  murmur_reaped_rows_total: counter("Tombstones and expired values that were forgotten."),
  murmur_folded_ids_total: counter("Rows whose old Idempotency-Keys were forgotten."),
  murmur_reap_waiting: gauge("Dead rows met in the last pass that wait to be forgotten, led by this node."),
  murmur_reap_votes_broken_total: counter("Second votes that found another state, another life or somebody missing."),
  murmur_dropped_rows_total: counter("Rows of an old copy of a disk that no other owner holds, dropped for their age."),
  murmur_stale_carriers_total: counter("States refused because they were under way for too long."),
};

const MEMBERS: Metrics = {
  murmur_peers_lost_total: counter("Peers that this node no longer asks."),
  murmur_suspicions_total: counter("Suspicions that this node began or confirmed."),
  murmur_members_dead_total: counter("Suspects whose time was up here first."),
  murmur_refutations_total: counter("Accusations of this node that it refuted."),
  murmur_indirect_probes_helped_total: counter("Probes that only helpers brought to a good end."),
  murmur_clock_verdicts_total: counter("How often this node found its own clock off, and right again.", {
    verdict: "off, right",
  }),
  murmur_insane_stamps_total: counter("Stamps met that are too far ahead to raise this node's clock."),
  murmur_sent_bytes_total: counter("Bytes sent to other nodes.", { datacenter: "the receiver's" }),
  murmur_malformed_frames_total: counter("Frames of peers that could not be read."),
};

/** By the headings of the page. */
export const METRIC_GROUPS: Readonly<Record<string, Metrics>> = {
  Requests: REQUESTS,
  "Too much to do": OVERLOAD,
  "Reads and writes": READS_AND_WRITES,
  Hints: HINTS,
  Upkeep: UPKEEP,
  Forgetting: FORGETTING,
  "Members, clocks and the network": MEMBERS,
};

export const METRICS: Metrics = Object.assign({}, ...Object.values(METRIC_GROUPS));
