/**
 * What a member is made of, and how its parts know one another.
 *
 * Rooms of a floor meet only here: each part is given the others as the small
 * interfaces that it declares itself.
 */
import { assert } from "./base/assert.js";
import { TokenBucket } from "./base/token-bucket.js";
import { type ClusterConfig, latticeNameOf } from "./cluster-config.js";
import { TimedAsker } from "./coordinator/asker.js";
import type { BatchParts } from "./coordinator/batch.js";
import { Breaker } from "./coordinator/breaker.js";
import { BreakingAsker } from "./coordinator/breaking-asker.js";
import { HotKeys } from "./coordinator/hot-keys.js";
import { Increments } from "./coordinator/increments.js";
import { Latencies } from "./coordinator/latency.js";
import { Overwrites } from "./coordinator/overwrites.js";
import { OwedBytes } from "./coordinator/owed.js";
import type { CoordinatorParts } from "./coordinator/parts.js";
import { read } from "./coordinator/read.js";
import { RelayingAsker } from "./coordinator/relay.js";
import { SharedReads, type SharedReadsHost } from "./coordinator/shared-reads.js";
import { type AnyLattice, latticeNamed } from "./lattice/registry.js";
import type { Actor } from "./lattice/stamp.js";
import type { Layout } from "./membership/layout.js";
import { type MemberChange, Peers, type PeersHost } from "./membership/peers.js";
import type { Ring } from "./membership/ring.js";
import type { NodeId, Random, World } from "./ports.js";
import { Carriers } from "./replica/carriers.js";
import { Forgotten } from "./replica/forgotten.js";
import { HintBook } from "./replica/hints.js";
import { Merkle } from "./replica/merkle.js";
import { Mint } from "./replica/mint.js";
import { Minting } from "./replica/minting.js";
import { Pages } from "./replica/pages.js";
import { Ranges } from "./replica/ranges.js";
import { Reaper } from "./replica/reaper.js";
import { Replica } from "./replica/replica.js";
import { Votes } from "./replica/votes.js";
import type { Turn } from "./turn.js";
import { Deliver } from "./upkeep/deliver.js";
import { Doubt } from "./upkeep/doubt.js";
import { Flushes } from "./upkeep/flush.js";
import { Heal } from "./upkeep/heal.js";
import { Pace } from "./upkeep/pace.js";
import { Reaping } from "./upkeep/reaping.js";
import { Repair } from "./upkeep/repair.js";
import { Salvage } from "./upkeep/salvage.js";
import { Scrub } from "./upkeep/scrub.js";
import { Sync } from "./upkeep/sync.js";
import { Lag } from "./wire/lag.js";
import { Rpc, type RpcHost } from "./wire/rpc.js";
import { Shedder } from "./wire/shedder.js";

export interface MemberOptions {
  readonly config: ClusterConfig;
  readonly layout: Layout;
  readonly self: NodeId;
  /** The operator vouches that the cluster is new: its owners need not ask one another for what they lack. */
  readonly newCluster: boolean;
}

/** What the parts need of their member. */
interface MemberHost extends Pick<RpcHost, "onRequest"> {
  onChanged(node: NodeId, change: MemberChange): void;
  /** Clients wait for this node. */
  isServing(): boolean;
}

export interface MemberParts {
  readonly lag: Lag;
  readonly mint: Mint;
  readonly votes: Votes;
  readonly merkle: Merkle;
  readonly replica: Replica;
  readonly minting: Minting;
  readonly pages: Pages;
  readonly ranges: Ranges;
  readonly rpc: Rpc;
  readonly peers: Peers;
  readonly sync: Sync;
  readonly scrub: Scrub;
  readonly repair: Repair;
  readonly forgotten: Forgotten;
  readonly reaper: Reaper;
  readonly reaping: Reaping;
  readonly hints: HintBook;
  readonly deliver: Deliver;
  readonly flushes: Flushes;
  /** Of all upkeep. */
  readonly pace: Pace;
  readonly heal: Heal;
  readonly coordinator: CoordinatorParts;
  readonly hotKeys: HotKeys;
  readonly sharedReads: SharedReads;
  readonly increments: Increments;
  readonly batches: BatchParts;
  readonly lists: CoordinatorParts;
}

/** Opens a member's parts, in the order in which they need one another. */
export function openParts(turn: Turn, ring: Ring, options: MemberOptions, host: MemberHost): MemberParts {
  const { world } = turn;
  const { config, self, newCluster } = options;
  const { limits } = config;
  const others = ring.layout.members.map((member) => member.id).filter((id) => id !== self);
  const latticeOf = latticesOf(config);
  const { mint, votes } = openLife(world, ring, options, host);
  // Before any peer has told what it remembers this may be an old copy, and under another name nobody would know it.
  mint.onRenewed = (isVouched) => (isVouched && peers.areVouching ? votes.keep() : votes.lapse());
  const merkle = new Merkle(world, limits, ring);
  const nowMs = () => mint.nowMs();
  const carriers = new Carriers({ ...world, limits, nowMs, correctionMs: () => peers.skew.correctionMs });
  const doOthersCover = (row: Uint8Array) => votes.doOthersCover(row, (node) => peers.votesToldBy(node));
  const forgotten = new Forgotten(world.clock, limits);
  const own = { world, limits, owners: ring, latticeOf, mint, votes, carriers, forgotten, merkle, doOthersCover };
  const replica = new Replica(own);
  const stampRefusal = () => peers.skew.stampRefusal;
  const minting = new Minting({ ...own, replica, stampRefusal, isVouched: () => peers.areVouching });
  const pages = new Pages(own, (row) => replica.onDamaged(row));
  const ranges = new Ranges(own, (row) => replica.onDamaged(row));
  const lag = new Lag(world.clock);
  const shedder = new Shedder(lag, limits, world.meter);
  const rpc = new Rpc(self, turn, ring.layout.version, {
    refusal: (request, remainingMs) => shedder.refusal(request, remainingMs),
    onRequest: (from, request, reply) => host.onRequest(from, request, reply),
    onAnswered: (from) => peers.reach.onAnswered(from),
    onUnanswered: (to) => peers.reach.onUnanswered(to),
  });
  const peers = new Peers(world, limits, self, others, {
    rpc,
    present: () => presentOf(mint, votes),
    onUp: (node) => {
      sync.wake(node);
      deliver.onUp(node);
    },
    onChanged: (node, change) => host.onChanged(node, change),
    onRemembered: (boundUs, isFirst) => mint.observeRemembered(boundUs, isFirst),
  });
  const isAlive = (node: NodeId) => peers.isAlive(node);
  const shared = { ...world, limits, ring, latticeOf, isAlive, rpc, mint, carriers };
  const livesWith = (peer: NodeId) => `${mint.actor} ${peers.actorOf(peer)}`;
  const pace = new Pace({ ...world, limits, isBusy: () => host.isServing() });
  const reaper = new Reaper(own);
  const doubt = new Doubt({ ...shared, votes, reaper });
  const isSettled = (row: Uint8Array) => doubt.isSettled(row);
  const sync = new Sync({ ...shared, replica, merkle, votes, livesWith, isSettled, pace }, others);
  const reaping = new Reaping({ ...shared, reaper });
  const onSalvaged = () => scrub.start(true);
  const salvage = new Salvage({ ...shared, storage: world.storage, votes, merkle, onSalvaged });
  const heal = new Heal({ ...shared, replica, votes, onBroken: () => salvage.begin() });
  replica.onDamaged = (row) => heal.onDamaged(row);
  replica.onSound = (row) => heal.onSound(row);
  const scrub = new Scrub({
    ...{ ...shared, merkle, pace },
    onDamaged: (row) => heal.onDamaged(row),
    onDisorder: () => salvage.begin(),
    onMissing: () => sync.wakeAll(),
  });
  const repair = new Repair({ ...world, limits, merkle, sync, scrub, heal }, others);
  const hints = new HintBook({ ...own, isAlive });
  const deliver = new Deliver({ ...shared, hints, pace });
  const flushes = new Flushes({ ...shared, hints });
  hints.onKept = (target) => deliver.onKept(target);
  const later = (step: () => void) => turn.later(step);
  const budget = new TokenBucket(limits.hedgeTokensMax);
  const owed = new OwedBytes(world.meter, limits);
  const actorOf = (node: NodeId) => (node === self ? mint.actor : peers.actorOf(node));
  const nodeOf = (actor: Actor) => [self, ...others].find((node) => actorOf(node) === actor);
  const overwrites = new Overwrites({ ...world, limits, wallMs: nowMs, nodeOf });
  const refusals = { refusal: () => peers.skew.refusal, stampRefusal };
  const untimed = { ...shared, self, later, budget, owed, overwrites, ...refusals };
  if (newCluster) votes.grantAll();
  const upkeep = { peers, sync, heal, scrub, repair, hints, deliver, flushes, pace, reaper, reaping };
  const local = { lag, mint, votes, forgotten, merkle, replica, minting, pages, ranges, rpc };
  return { ...local, ...upkeep, ...coordinators(untimed, world.random, config) };
}

/** The life of the store, and the votes that go with it. */
function openLife(
  world: World,
  ring: Ring,
  { config, self }: MemberOptions,
  host: MemberHost,
): Pick<MemberParts, "mint" | "votes"> {
  const mint = new Mint(world, config.limits, config.durability);
  const votes = new Votes(world, config.limits, ring, () => mint.actor);
  votes.onChanged = (isRebuilding) => host.onChanged(self, isRebuilding ? "rebuilding" : "rebuilt");
  mint.recordsOfLife = () => [votes.record()];
  return { mint, votes };
}

/** Messages of one row, of many, and scans: each kind takes a time of its own. */
function coordinators(
  untimed: Omit<CoordinatorParts, "latencies"> & { readonly rpc: Rpc },
  random: Random,
  { buckets, defaults }: ClusterConfig,
): Pick<MemberParts, "coordinator" | "batches" | "lists" | "hotKeys" | "sharedReads" | "increments"> {
  const { clock, limits, ring } = untimed;
  const breaker = new Breaker(limits, random);
  const relaying = new RelayingAsker({ ...untimed, random }, untimed.rpc);
  const asker = new BreakingAsker(untimed, relaying, breaker);
  const isAlive = (node: NodeId) => untimed.isAlive(node) && !breaker.isOpen(node, clock.nowMs());
  const timed = (others?: Latencies): CoordinatorParts => {
    const latencies = new Latencies(limits, (node) => ring.datacenterOf(node), others);
    return { ...untimed, isAlive, latencies, rpc: new TimedAsker(untimed, asker, latencies) };
  };
  const coordinator = timed();
  const hotKeys = new HotKeys(untimed.clock);
  const askOwners: SharedReadsHost["read"] = (request, done) => read(coordinator, request, done);
  const sharedReads = new SharedReads({ ...untimed, hotKeys, read: askOwners });
  const many = { batches: timed(coordinator.latencies), lists: timed(coordinator.latencies) };
  const windowMsOf = (bucket: string) => (buckets.get(bucket) ?? defaults).coalesceMs;
  const increments = new Increments({ parts: many.batches, alone: coordinator, windowMsOf });
  return { coordinator, hotKeys, sharedReads, increments, ...many, batches: { ...many.batches, increments } };
}

/** Named one by one: this goes with each ping, and to spread what has getters takes longer than all else of one. */
function presentOf({ actor, boundUs, foundBoundUs }: Mint, votes: Votes): ReturnType<PeersHost["present"]> {
  return { actor, boundUs, foundBoundUs, votes: votes.bitmaps() };
}

function latticesOf({ buckets, defaults }: ClusterConfig): (bucket: string) => AnyLattice {
  return (bucket) => {
    const lattice = latticeNamed(latticeNameOf(buckets.get(bucket) ?? defaults));
    assert(lattice !== undefined, "the cluster file names only types that are built");
    return lattice;
  };
}
