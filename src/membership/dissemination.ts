/**
 * Dissemination: how all come to the same table of members (SWIM 3.2 and 4.1).
 *
 * News travel on the messages of the failure detector, the newest first, and
 * what these miss is found when two compare whole tables: often while that
 * teaches something (a start, a healed partition), seldom otherwise.
 *
 * Whatever is said of this node it answers itself: an accusation, or a memory
 * of a former life of its process, is refuted with a higher incarnation.
 */
import { equalBytes, NO_BYTES } from "../base/bytes.js";
import { DIGEST_BYTES, hash128, xorInto } from "../base/hash.js";
import { jitter, pick } from "../base/random.js";
import { copyOf } from "../base/short-bytes.js";
import type { Limits } from "../config.js";
import type { NodeId, World } from "../ports.js";
import type { PushPull, PushPullReply } from "../wire/messages.js";
import { Gossip } from "./gossip.js";
import {
  decodeTable,
  encodeEntry,
  encodeTable,
  entryOf,
  type Life,
  type MemberEntry,
  type MemberTable,
  mergeAmong,
  mergeEntries,
  NO_MEMBERS,
  NOBODY,
  refuted,
} from "./members.js";

export interface DisseminationHost {
  /** What this node says of itself now. */
  present(): Omit<Life, "incarnation">;
  isAlive(node: NodeId): boolean;
  exchange(to: NodeId, request: PushPull, onReply: (reply: PushPullReply) => void): void;
  /** The table says something new of another member. */
  onNews(node: NodeId, before: MemberEntry | undefined, after: MemberEntry): void;
  /** This node was said to be silent, or dead. */
  onAccused(): void;
}

const TABLE_SEED = 0x6d656d62;
const EXCHANGE_SPREAD = 0.2;

export class Dissemination {
  private table: MemberTable = NO_MEMBERS;
  private own: MemberEntry;
  /** The xor of all entries' digests: so it changes with an entry, and whole tables are compared at once. */
  private readonly digest: Uint8Array = new Uint8Array(DIGEST_BYTES);
  private readonly gossip: Gossip;
  private readonly known: ReadonlySet<NodeId>;
  /** What each said last, and what that means. */
  private readonly heard = new Map<NodeId, { readonly gossip: Uint8Array; readonly table: MemberTable }>();
  /** Entries as they are sent, again and again. */
  private readonly encodings = new Map<NodeId, { readonly entry: MemberEntry; readonly bytes: Uint8Array }>();
  private exchangeIntervalMs: number;
  private nextExchangeMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly world: World,
    private readonly limits: Limits,
    private readonly self: NodeId,
    private readonly others: readonly NodeId[],
    private readonly host: DisseminationHost,
  ) {
    this.known = new Set(others);
    this.gossip = new Gossip(others.length + 1, limits.gossipFactor);
    this.exchangeIntervalMs = limits.pingIntervalMs;
    const { actor, isRebuilding } = host.present();
    this.own = entryOf({ incarnation: 1, actor, isRebuilding }, "alive", NOBODY);
    this.say(this.own);
  }

  entryOf(node: NodeId): MemberEntry | undefined {
    return this.table.get(node);
  }

  /** Compares tables with another member when it is time to. */
  tick(nowMs: number): void {
    this.refresh();
    if (nowMs < this.nextExchangeMs) return;
    this.nextExchangeMs = nowMs + jitter(this.world.random, this.exchangeIntervalMs, EXCHANGE_SPREAD);
    const able = this.others.filter((node) => this.host.isAlive(node));
    if (able.length === 0) return;
    const partner = pick(this.world.random, able);
    this.host.exchange(partner, this.pushOf(NO_MEMBERS), (reply) => this.onPulled(partner, reply));
  }

  /**
   * What goes with any message to `to`: our own entry; what we hold against it, so that it may refute at once
   * (Lifeguard 4.3, the buddy system); then rumours. `said` is what it says of itself, where known.
   */
  gossipFor(to: NodeId, said?: MemberEntry): Uint8Array {
    this.refresh();
    const parts = [this.encoded(this.self, this.own)];
    const held = this.table.get(to);
    const isNews = said === undefined ? held?.status !== "alive" : held && mergeEntries(said, held) !== said;
    if (held !== undefined && isNews === true) parts.push(this.encoded(to, held));
    const rumours = this.gossip.take(this.limits.gossipBytesMax, (node) =>
      this.encoded(node, this.table.get(node) as MemberEntry),
    );
    // Mostly there is no news, and so nothing to put together.
    return parts.length + rumours.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat([...parts, ...rumours]);
  }

  /** Takes in what came with a message from a peer, and returns it. What it says again was learned the first time. */
  hear(from: NodeId, gossip: Uint8Array): MemberTable {
    const last = this.heard.get(from);
    if (last !== undefined && equalBytes(last.gossip, gossip)) return last.table;
    const table = decodeTable(gossip);
    if (this.known.has(from)) this.heard.set(from, { gossip: copyOf(gossip), table });
    this.learn(table);
    return table;
  }

  /** Merges, and tells what is new. True when anything is. */
  learn(heard: MemberTable): boolean {
    return this.take(heard, true);
  }

  onPushPull({ digest, table }: PushPull): PushPullReply {
    this.take(decodeTable(table), false);
    return { kind: "push-pull-reply", table: equalBytes(digest, this.digest) ? NO_BYTES : encodeTable(this.table) };
  }

  private take(heard: MemberTable, isGossip: boolean): boolean {
    const said = heard.get(this.self);
    if (said !== undefined && mergeEntries(this.own, said) !== this.own) this.refute(said);
    const before = this.table;
    this.table = mergeAmong(this.known, before, heard);
    if (this.table === before) return false;
    for (const node of heard.keys()) {
      const old = before.get(node);
      const now = this.table.get(node);
      if (now === undefined || old === now || !this.known.has(node)) continue;
      this.onChanged(node, old, now);
      // Of whom we hear first from somebody's table, the others have heard: rumours of all at once would hold up the news.
      if (isGossip || old !== undefined) this.gossip.add(node);
      this.host.onNews(node, old, now);
    }
    return true;
  }

  private onPulled(partner: NodeId, { table }: PushPullReply): void {
    const theirs = decodeTable(table);
    const { pingIntervalMs, pushPullIntervalMs } = this.limits;
    const intervalMs = this.exchangeIntervalMs * (this.take(theirs, false) ? 0.5 : 2);
    this.exchangeIntervalMs = Math.min(pushPullIntervalMs, Math.max(pingIntervalMs, intervalMs));
    if (theirs.size === 0) return;
    const isNews = (node: NodeId, ours: MemberEntry) => mergeEntries(theirs.get(node), ours) !== theirs.get(node);
    const lacking = [...this.table].filter(([node, ours]) => isNews(node, ours));
    if (lacking.length > 0) this.host.exchange(partner, this.pushOf(new Map(lacking)), () => {});
  }

  private pushOf(table: MemberTable): PushPull {
    return { kind: "push-pull", digest: this.digest.slice(), table: encodeTable(table) };
  }

  private refute(said: MemberEntry): void {
    this.say(refuted(this.own, said));
    // Mere memories of a former life accuse nobody.
    if (said.status === "alive") return;
    this.world.meter.count("murmur_refutations_total");
    this.host.onAccused();
  }

  /** What has changed about ourselves is said in a new incarnation. */
  private refresh(): void {
    const { actor, isRebuilding } = this.host.present();
    if (this.own.actor === actor && this.own.isRebuilding === isRebuilding) return;
    const { incarnation, status, suspecters } = refuted(this.own, this.own);
    this.say(entryOf({ incarnation, actor, isRebuilding }, status, suspecters));
  }

  private say(own: MemberEntry): void {
    const before = this.table.get(this.self);
    this.own = own;
    this.table = new Map(this.table).set(this.self, own);
    this.onChanged(this.self, before, own);
    this.gossip.add(this.self);
  }

  private onChanged(node: NodeId, before: MemberEntry | undefined, after: MemberEntry): void {
    if (before !== undefined) xorInto(this.digest, hash128(TABLE_SEED, encodeEntry(node, before)));
    xorInto(this.digest, hash128(TABLE_SEED, encodeEntry(node, after)));
  }

  private encoded(node: NodeId, entry: MemberEntry): Uint8Array {
    const known = this.encodings.get(node);
    if (known?.entry === entry) return known.bytes;
    const bytes = encodeEntry(node, entry);
    this.encodings.set(node, { entry, bytes });
    return bytes;
  }
}
