/**
 * The layout: who owns which part of the ring.
 *
 * The token space is cut into equal partitions, a power of two fixed at
 * creation, and the partitions are placed on members apart from that (Dynamo
 * 6.2, strategy 3: its best balance for the least metadata). A layout is a pure
 * function of the previous layout and the agreed members. It is a value with a
 * version and a digest: nodes with different layouts do not exchange data.
 *
 * Invariants: a partition has distinct owners, in as many racks as there can be;
 * loads are then as equal as the racks allow, in proportion to capacity; next
 * to nothing moves that need not; the order of the input does not matter. The
 * same input gives the same layout on every machine.
 */
import { asBuffer, MalformedBytes, textOf, utf8 } from "../base/bytes.js";
import { hash128 } from "../base/hash.js";
import type { Replication } from "../cluster-config.js";
import type { NodeId } from "../ports.js";
import { ChanceOfSeed } from "./chance.js";
import { byDatacenter, place, refusalOfReplication } from "./placing.js";
import { inPreferenceOrder } from "./preference.js";
import type { OwnerRows } from "./seats.js";

export interface LayoutMember {
  readonly id: NodeId;
  readonly rack: string;
  readonly datacenter: string;
  /** Relative to the other members': twice the capacity owns twice the partitions. */
  readonly capacity: number;
}

/** One replication setting. All buckets that have it share its owners. */
export interface Placement {
  readonly replication: Replication;
}

export interface LayoutSpec {
  /** A power of two. */
  readonly partitions: number;
  readonly members: readonly LayoutMember[];
  readonly placements: readonly Placement[];
}

export interface Layout {
  readonly version: number;
  /** Over all but the version, in hexadecimal. */
  readonly digest: string;
  readonly partitions: number;
  /** In order of ids. */
  readonly members: readonly LayoutMember[];
  /** All different. A placement keeps its number for ever, since the addresses of rows begin with it. */
  readonly placements: readonly Placement[];
  /** Per placement and partition, in preference order. */
  readonly owners: readonly (readonly (readonly NodeId[])[])[];
}

/** Why there can be no such layout, in one sentence. */
export interface LayoutRefusal {
  readonly refusal: string;
}

/** One tree per partition and placement lives in memory. */
export const PARTITIONS_MAX = 65_536;
/** The number of a placement is one byte of every row's address. */
export const PLACEMENTS_MAX = 255;

const TOKEN_LEAST = -(1n << 63n);
const DIGEST_SEED = 0x6c61796f;
const RECORD_FORMAT = 1;

/** The layout that follows `previous`, which is `previous` itself when nothing changes. */
export function computeLayout(previous: Layout | undefined, spec: LayoutSpec): Layout | LayoutRefusal {
  const members = spec.members.map(({ id, rack, datacenter, capacity }) => ({ id, rack, datacenter, capacity }));
  members.sort((a, b) => compareText(a.id, b.id));
  const placements = withPlacements(previous?.placements ?? [], spec.placements);
  const refusal = refusalOf(previous, { partitions: spec.partitions, members, placements });
  if (refusal !== undefined) return { refusal };
  const random = new ChanceOfSeed(previous?.version ?? 0);
  const owners = placements.map(({ replication }, number) => {
    const before = rowsOf(members, previous?.owners[number]);
    const placed = place(members, replication, spec.partitions, before, random);
    const rows = inPreferenceOrder(placed, members.length, before, random);
    return rows.map((row) => row.map((member) => members[member]?.id as NodeId));
  });
  const content = { partitions: spec.partitions, members, placements, owners };
  const digest = digestOf(formOf(content));
  return digest === previous?.digest ? previous : { version: (previous?.version ?? 0) + 1, digest, ...content };
}

export function isRefusal(result: Layout | LayoutRefusal): result is LayoutRefusal {
  return "refusal" in result;
}

/** The partition in which a token lies: its top bits, counted from the lowest token. */
export function partitionOf(partitions: number, token: bigint): number {
  const top = Number((token - TOKEN_LEAST) >> 32n);
  return Math.floor(top / (2 ** 32 / partitions));
}

/** What differs between the layout and what a cluster file asks for; undefined when they agree. */
export function describeDifference(persisted: Layout, fresh: LayoutSpec): string | undefined {
  if (persisted.partitions !== fresh.partitions) {
    return `partitions: the layout has ${persisted.partitions}, the file ${fresh.partitions}`;
  }
  const asked = new Map(fresh.members.map((member) => [member.id, member]));
  for (const { id, ...placed } of persisted.members) {
    const member = asked.get(id);
    if (member === undefined) return `members: the layout has ${id}, the file has not`;
    for (const field of ["datacenter", "rack", "capacity"] as const) {
      if (placed[field] !== member[field]) {
        return `${field} of ${id}: the layout has ${placed[field]}, the file ${member[field]}`;
      }
    }
    asked.delete(id);
  }
  for (const id of asked.keys()) return `members: the file has ${id}, the layout has not`;
  const persistedTexts = persisted.placements.map(replicationText);
  const freshTexts = fresh.placements.map(replicationText);
  const gone = persistedTexts.find((text) => !freshTexts.includes(text));
  if (gone !== undefined) return `replication: the layout has ${gone}, the file has not`;
  const added = freshTexts.find((text) => !persistedTexts.includes(text));
  return added === undefined ? undefined : `replication: the file has ${added}, the layout has not`;
}

export function encodeLayout(layout: Layout): Uint8Array {
  const form = formOf(layout);
  return utf8(JSON.stringify([RECORD_FORMAT, digestOf([layout.version, form]), layout.version, form]));
}

/** Throws MalformedBytes on what `encodeLayout` did not write: the first digest vouches for all the rest. */
export function decodeLayout(bytes: Uint8Array): Layout {
  const [format, checksum, version, form] = parsedArray(bytes) as [number, string, number, Form];
  if (format !== RECORD_FORMAT) throw new MalformedBytes("a layout of another format");
  if (digestOf([version, form]) !== checksum) throw new MalformedBytes("a damaged layout");
  const [partitions, memberForms, placementForms, ownerForms] = form;
  const members = memberForms.map(([id, datacenter, rack, capacity]) => ({ id, datacenter, rack, capacity }));
  const placements = placementForms.map((quotas) => ({
    replication: typeof quotas === "number" ? quotas : Object.fromEntries(quotas),
  }));
  const owners = ownerForms.map((rows) => rows.map((row) => row.map((member) => members[member]?.id as NodeId)));
  return { version, digest: digestOf(form), partitions, members, placements, owners };
}

/** A layout's content, said in the only way there is. Owners are indexes of members. */
type Form = readonly [
  partitions: number,
  members: readonly (readonly [id: NodeId, datacenter: string, rack: string, capacity: number])[],
  placements: readonly (number | readonly (readonly [datacenter: string, replicas: number])[])[],
  owners: readonly OwnerRows[],
];

function formOf({ partitions, members, placements, owners }: Omit<Layout, "version" | "digest">): Form {
  const numbers = numbersOf(members);
  return [
    partitions,
    members.map(({ id, datacenter, rack, capacity }) => [id, datacenter, rack, capacity]),
    placements.map(({ replication }) => (typeof replication === "number" ? replication : byDatacenter(replication))),
    owners.map((rows) => rows.map((row) => row.map((id) => numbers.get(id) as number))),
  ];
}

function digestOf(form: Form | readonly [version: number, form: Form]): string {
  return asBuffer(hash128(DIGEST_SEED, utf8(JSON.stringify(form)))).toString("hex");
}

function parsedArray(bytes: Uint8Array): unknown[] {
  try {
    const parsed: unknown = JSON.parse(textOf(bytes) ?? "");
    if (Array.isArray(parsed)) return parsed;
  } catch {}
  throw new MalformedBytes("not a layout");
}

/** Previous owners as indexes of members, without those who left. */
function rowsOf(
  members: readonly LayoutMember[],
  owners: readonly (readonly NodeId[])[] | undefined,
): OwnerRows | undefined {
  const numbers = numbersOf(members);
  return owners?.map((row) => row.flatMap((id) => numbers.get(id) ?? []));
}

function numbersOf(members: readonly LayoutMember[]): ReadonlyMap<NodeId, number> {
  return new Map(members.map((member, number) => [member.id, number]));
}

/** Placements that were there keep their numbers; new ones follow, in an order that does not depend on the input's. */
function withPlacements(previous: readonly Placement[], wanted: readonly Placement[]): Placement[] {
  const added = [...wanted].sort((a, b) => compareText(replicationText(a), replicationText(b)));
  return [...new Map([...previous, ...added].map((placement) => [replicationText(placement), placement])).values()];
}

function refusalOf(previous: Layout | undefined, { partitions, members, placements }: LayoutSpec): string | undefined {
  if (!Number.isInteger(Math.log2(partitions)) || partitions < 1 || partitions > PARTITIONS_MAX) {
    return `the number of partitions is a power of two up to ${PARTITIONS_MAX}, not ${partitions}`;
  }
  if (previous !== undefined && previous.partitions !== partitions) {
    return `the number of partitions was fixed at creation as ${previous.partitions}, it cannot become ${partitions}`;
  }
  for (const [index, { id, capacity }] of members.entries()) {
    if (members[index - 1]?.id === id) return `two members have the id ${id}`;
    const isPositive = Number.isFinite(capacity) && capacity > 0;
    if (!isPositive) return `the capacity of ${id} is positive, not ${capacity}`;
  }
  if (placements.length > PLACEMENTS_MAX) {
    return `there are at most ${PLACEMENTS_MAX} different replications, not ${placements.length}`;
  }
  for (const { replication } of placements) {
    const refusal = refusalOfReplication(members, replication);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function replicationText({ replication }: Placement): string {
  if (typeof replication === "number") return String(replication);
  return byDatacenter(replication)
    .map(([datacenter, replicas]) => `${datacenter}:${replicas}`)
    .join(", ");
}

/** The order of UTF-16 code units, which no locale changes. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
