/**
 * Probes: the rare paths that a run should come along sometimes.
 *
 * A checker that finds nothing says little if the paths where something could
 * be found were never taken. Each probe is read from the meters that
 * operators read, so the core has nothing in it for the simulator's sake.
 */
import type { Failure } from "../coordinator/outcome.js";
import type { SimCluster } from "./cluster.js";
import { BESIDE_DELETE } from "./model-counter.js";
import { ADD_WON, FIELD_HIDDEN } from "./model-map.js";
import { SIBLING_EXPIRED } from "./model-siblings.js";
import { RANGE_CUT, RANGE_GAP } from "./row-checker.js";
import { FAULT_KINDS } from "./swarm-faults.js";
import { MINTER_SILENT, READ_FIRST } from "./workload.js";

/** What was metered, in sum over all nodes. */
type Metered = (name: string, labels?: Record<string, string>) => number;

const METERED: readonly (readonly [probe: string, isHit: (metered: Metered) => boolean])[] = [
  ["a read mended a replica", (metered) => metered("murmur_mends_total") > 0],
  ["a write was beaten", (metered) => metered("murmur_beaten_total") > 0],
  ["an unseen value was replaced", (metered) => metered("murmur_register_overwrites_total", { kind: "stale" }) > 0],
  [
    "an acknowledged write was beaten",
    (metered) => metered("murmur_register_overwrites_total", { kind: "beaten" }) > 0,
  ],
  ["a hedge won", (metered) => metered("murmur_hedges_total", { outcome: "won" }) > 0],
  ["a hedge was wasted", (metered) => metered("murmur_hedges_total", { outcome: "wasted" }) > 0],
  ["the budget refused a hedge", (metered) => metered("murmur_hedges_total", { outcome: "refused" }) > 0],
  ["a read was coalesced", (metered) => metered("murmur_reads_coalesced_total") > 0],
  ["a breaker opened", (metered) => metered("murmur_breaker_openings_total") > 0],
  ["expired work was dropped", (metered) => metered("murmur_expired_total") > 0],
  ["a member was suspected", (metered) => metered("murmur_suspicions_total") > 0],
  ["a suspicion was refuted", (metered) => metered("murmur_refutations_total") > 0],
  ["a peer fell silent", (metered) => metered("murmur_peers_lost_total") > 0],
  ["a suspect counted as dead", (metered) => metered("murmur_members_dead_total") > 0],
  ["a store began a new life", (metered) => metered("murmur_incarnations_total") > 0],
  ["a damaged row was met", (metered) => metered("murmur_damaged_rows_total") > 0],
  ["a damaged row was healed", (metered) => metered("murmur_healed_rows_total") > 0],
  ["a stamp was insane", (metered) => metered("murmur_insane_stamps_total") > 0],
  ["a row was forgotten", (metered) => metered("murmur_reaped_rows_total") > 0],
  ["an id was forgotten", (metered) => metered("murmur_folded_ids_total") > 0],
  ["a stale carrier was refused", (metered) => metered("murmur_stale_carriers_total") > 0],
  ["a vote to forget was broken off", (metered) => metered("murmur_reap_votes_broken_total") > 0],
  ["a clock was found off", (metered) => metered("murmur_clock_verdicts_total", { verdict: "off" }) > 0],
  ["a clock was right again", (metered) => metered("murmur_clock_verdicts_total", { verdict: "right" }) > 0],
  ["an owner that rebuilds was not counted", (metered) => metered("murmur_uncounted_answers_total") > 0],
  ["ANY was acknowledged by hints alone", (metered) => metered("murmur_any_by_hints_total") > 0],
  ["a sync moved rows", (metered) => metered("murmur_sync_rows_total") > 0],
  ["a write went through a relay", (metered) => metered("murmur_relayed_writes_total") > 0],
  ["a relay was late", (metered) => metered("murmur_relay_fallbacks_total", { reason: "late" }) > 0],
  ["a relay refused", (metered) => metered("murmur_relay_fallbacks_total", { reason: "refused" }) > 0],
  ["a hint was kept", (metered) => metered("murmur_hints_kept_total") > 0],
  ["a hint was delivered", (metered) => metered("murmur_hints_delivered_total") > 0],
  ["a hint was refused at a bound", (metered) => metered("murmur_hints_refused_total") > 0],
  ["less important work was shed", (metered) => metered("murmur_shed_total") > 0],
  ["an owner that does not vote was to mint", (metered) => metered("murmur_mints_total", { status: "not-voting" }) > 0],
  ["a silent minter was stood in for", (metered) => metered("murmur_mints_repeated_total") > 0],
  ["a hint expired", (metered) => metered("murmur_hints_expired_total") > 0],
];

const FAILURES: readonly Failure["kind"][] = [
  "unavailable",
  "timeout",
  "failed",
  "disk-full",
  "clock-skew",
  "too-many-siblings",
];

/** What the clients and their models noted. */
const NOTED: readonly string[] = [
  MINTER_SILENT,
  BESIDE_DELETE,
  READ_FIRST,
  FIELD_HIDDEN,
  ADD_WON,
  RANGE_CUT,
  RANGE_GAP,
  SIBLING_EXPIRED,
];

/** Every probe there is. */
export const PROBES: readonly string[] = [
  ...METERED.map(([probe]) => probe),
  ...FAILURES.map(failureProbe),
  ...NOTED,
  ...FAULT_KINDS.map(faultProbe),
];

/** Those that a run hit. */
export function probesOf(
  cluster: SimCluster,
  failures: ReadonlyMap<Failure["kind"], number>,
  faults: ReadonlyMap<string, number>,
  noted: ReadonlySet<string>,
): string[] {
  const metered: Metered = (name, labels) =>
    cluster.ids.reduce((sum, node) => sum + cluster.meter(node).sum(name, labels), 0);
  const hit = METERED.filter(([, isHit]) => isHit(metered)).map(([probe]) => probe);
  const failed = FAILURES.filter((kind) => failures.has(kind)).map(failureProbe);
  return [
    ...hit,
    ...failed,
    ...NOTED.filter((probe) => noted.has(probe)),
    ...FAULT_KINDS.filter((kind) => faults.has(kind)).map(faultProbe),
  ];
}

function faultProbe(kind: string): string {
  return `a fault struck: ${kind}`;
}

function failureProbe(kind: Failure["kind"]): string {
  return `an operation failed: ${kind}`;
}
