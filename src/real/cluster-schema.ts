/**
 * The shape of cluster.yaml: which keys there are and what each may hold by
 * itself. What keys mean together is in cluster-rules.ts. Each leaf knows its
 * own sentence: what was expected and what was found.
 */
import { z } from "zod";
import { parseDurationMs } from "../base/duration.js";
import { nearestName } from "../base/names.js";
import type { Durability, Replication } from "../cluster-config.js";
import { LEVEL_NAMES, LIMITS, READ_LEVEL_NAMES } from "../config.js";
import { HEDGE_EXPECTED, parseHedgePolicy } from "../coordinator/hedge-policy.js";
import { BUILT_TYPES, CELL_TYPES } from "../lattice/registry.js";
import { PARTITIONS_MAX } from "../membership/layout.js";

/**
 * What nodes, racks, datacenters and buckets may be called. Not dots alone: a node's id names its folder, and a bucket
 * stands in URLs, where clients take `..` for the folder above.
 */
export const NAME = /^(?!\.+$)[A-Za-z0-9_.-]{1,64}$/;
export const NAME_EXPECTED = "1 to 64 characters out of A-Z a-z 0-9 _ . -, not dots alone";

/** What an unknown key may have meant; carried by the mistake about it. */
export interface KnownKeys {
  readonly names: readonly string[];
  readonly planned: readonly string[];
}

/** A value as a mistake quotes it: short, and never a whole section. */
function found(value: unknown): string {
  if (value === null) return "nothing";
  if (typeof value === "object") return Array.isArray(value) ? "a list" : "a map";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 40 ? `${text.slice(0, 37)}...` : text;
}

function expectation(expected: string, value: unknown, remedy?: string): string {
  const sentence =
    value === undefined ? `missing; expected ${expected}` : `expected ${expected}, found ${found(value)}`;
  return remedy === undefined ? sentence : `${sentence}; ${remedy}`;
}

/** One value with one test. `sentence` may say more than `expected` about a wrong one. */
function leaf<Type>(
  expected: string,
  valid: (value: unknown) => boolean,
  sentence?: (value: unknown) => string | undefined,
): z.ZodType<Type> {
  return z.custom<Type>(valid, { error: ({ input }) => sentence?.(input) ?? expectation(expected, input) });
}

/** A map with these keys and no others. */
function section<Shape extends z.ZodRawShape>(expected: string, shape: Shape, planned: readonly string[] = []) {
  const known: KnownKeys = { names: Object.keys(shape), planned };
  const others = z.custom<unknown>(() => false, { params: { known } });
  const whole = z.object(shape, { error: ({ input }) => expectation(expected, input) }).catchall(others);
  return whole as unknown as z.ZodObject<Shape>;
}

function list<Item extends z.ZodType>(expected: string, item: Item) {
  return z.array(item, { error: ({ input }) => expectation(expected, input) });
}

function integer(least: number, most: number) {
  return (value: unknown) => Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}

const name = (what: string) =>
  leaf<string>(
    `${what} of ${NAME_EXPECTED}`,
    (value) => typeof value === "string" && NAME.test(value),
    (value) => (typeof value === "number" ? expectation("a text", value, `write "${value}"`) : undefined),
  );

/** One of a few words; a misspelt one is answered with the nearest. */
function word<Word extends string>(expected: string, words: readonly Word[]) {
  return leaf<Word>(
    expected,
    (value) => words.includes(value as Word),
    (value) => expectation(expected, value, didYouMean(value, words)),
  );
}

export function didYouMean(value: unknown, names: readonly string[]): string | undefined {
  const nearest = typeof value === "string" ? nearestName(value, names) : undefined;
  return nearest === undefined ? undefined : `did you mean ${nearest}?`;
}

const text = (expected: string) => leaf<string>(expected, (value) => typeof value === "string" && value !== "");

const port = leaf<number>("a port from 1 to 65535", integer(1, 65_535));

/** Until clients can prove who they are, being reachable from elsewhere would mean being open to everybody. */
const host = leaf<string>(
  "127.0.0.1, ::1 or localhost",
  (value) => typeof value === "string" && isLoopback(value),
  (value) =>
    typeof value === "string"
      ? expectation(
          "127.0.0.1, ::1 or localhost",
          value,
          "clients cannot be authenticated yet, so a node listens on loopback only",
        )
      : undefined,
);

function isLoopback(address: string): boolean {
  const octets = /^127\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address)?.slice(1);
  return address === "localhost" || address === "::1" || (octets?.every((octet) => Number(octet) < 256) ?? false);
}

const REPLICATION = "a number of replicas, or a map such as { dc1: 3 }";
const replication = z.union(
  [leaf<number>("", integer(1, 1000)), z.record(z.string(), leaf<number>("", integer(1, 1000)))],
  { error: ({ input }) => expectation(REPLICATION, input) },
) as z.ZodType<Replication>;

/** A level as the file writes it: a name in any case, or a count. */
export type LevelWritten = string | number;

function level(use: "read" | "write") {
  const names: readonly string[] = use === "read" ? READ_LEVEL_NAMES : LEVEL_NAMES;
  const expected = `one of ${names.join(", ")} or a number of replicas`;
  const isName = (value: unknown) => typeof value === "string" && names.includes(value.toUpperCase());
  return leaf<LevelWritten>(
    expected,
    (value) => isName(value) || integer(1, 1000)(value),
    (value) => {
      if (typeof value !== "string") return undefined;
      if (value.toUpperCase() === "ANY") return "ANY is for writes only; use ONE";
      return expectation(expected, value, didYouMean(value, names));
    },
  );
}

const consistency = section("a map such as { read: QUORUM, write: QUORUM }", {
  read: level("read").optional(),
  write: level("write").optional(),
}).nullish();

const typeAmong = (types: readonly string[]) => {
  const expected = `one of ${types.join(", ")}`;
  return leaf<string>(
    expected,
    (value) => types.includes(value as string),
    (value) => expectation(expected, value, didYouMean(value, types)),
  );
};

function duration(expected: string) {
  return leaf<string>(expected, (value) => typeof value === "string" && (parseDurationMs(value) ?? 0) > 0);
}

const ttl = duration("a duration such as 500ms, 60s, 5m or 2h");

const HEDGE = 'a map such as { after: "max(p95,2ms)", budgetPercent: 10 }';
const hedge = section(HEDGE, {
  after: leaf<string>(
    HEDGE_EXPECTED,
    (value) => typeof value === "string" && parseHedgePolicy(value) !== undefined,
    (value) => (value === "tied" ? "tied requests are not built yet; use max(p95,2ms)" : undefined),
  ).optional(),
  budgetPercent: leaf<number>(
    "percent from 0 to 100",
    (value) => typeof value === "number" && value >= 0 && value <= 100,
  ).optional(),
}).nullish();

const bucket = section("a map such as { type: register }", {
  ...{ type: typeAmong(BUILT_TYPES).optional(), cells: typeAmong(CELL_TYPES).optional() },
  ...{ replication: replication.optional(), consistency, hedge, ttl: ttl.optional() },
  merge: text("the path of a JavaScript module").optional(),
  clientStamps: leaf<boolean>("true or false", (value) => typeof value === "boolean").optional(),
  coalesce: duration("a duration such as 5ms").optional(),
}).nullish();

const partitions = leaf<number>(
  `a power of two from 1 to ${PARTITIONS_MAX}`,
  (value) => integer(1, PARTITIONS_MAX)(value) && Number.isInteger(Math.log2(value as number)),
  (value) => {
    if (!integer(1, PARTITIONS_MAX)(value)) return undefined;
    const nearest = 2 ** Math.round(Math.log2(value as number));
    return expectation("a power of two", value, `the nearest is ${nearest}`);
  },
);

const limits = Object.fromEntries(
  Object.entries(LIMITS).map(([key, { least, most, reason }]) => {
    const expected = `a whole number from ${least} to ${most}`;
    return [
      key,
      leaf<number>(expected, integer(least, most), (value) => expectation(expected, value, reason)).optional(),
    ];
  }),
) as { [Name in keyof typeof LIMITS]: z.ZodOptional<z.ZodType<number>> };

/** Compared letter by letter with what a browser sends, so it must be written as a browser writes it. */
const origin = leaf<string>(
  "an origin such as https://example.org",
  (value) => typeof value === "string" && URL.canParse(value) && new URL(value).origin === value,
);

const security = section(
  "a map such as { secretFile: ./secret }",
  {
    secretFile: text("the path of a file").optional(),
    allowedHosts: list("a list of host names", text("a host name")).nullish(),
    allowedOrigins: list("a list of origins", origin).nullish(),
  },
  ["tokensFile", "tls"],
).nullish();

const node = section("a map such as { id: n1, host: 127.0.0.1, http: 8101, peer: 9101 }", {
  id: name("a node id"),
  host,
  bind: host.optional(),
  http: port,
  peer: port,
  rack: name("a rack name").optional(),
  datacenter: name("a datacenter name").optional(),
});

const NODES = "a list of at least one node";

export const clusterShape = section("a map with at least cluster and nodes", {
  cluster: name("a cluster name"),
  replication: replication.optional(),
  partitions: partitions.optional(),
  data: text("the path of a folder").optional(),
  durability: word<Durability>("group or os", ["group", "os"]).optional(),
  consistency,
  hedge,
  nodes: list(NODES, node).min(1, { error: `expected ${NODES}, found an empty one` }),
  buckets: z
    .record(z.string(), bucket, { error: ({ input }) => expectation("a map of buckets by name", input) })
    .nullish(),
  defaults: bucket,
  limits: section("a map of limits by name", limits).nullish(),
  security,
});

/** A file of the right shape. */
export type ClusterShape = z.infer<typeof clusterShape>;
export type BucketShape = NonNullable<ClusterShape["defaults"]>;
