/**
 * The description of the API as built, in OpenAPI 3.1.
 *
 * Methods, parameters and codes come from the very tables that serve them, so
 * that the description cannot promise what the code refuses.
 */
import { LEVEL_NAMES, type Limits, READ_LEVEL_NAMES } from "../config.js";
import { HEDGE_EXPECTED } from "../coordinator/hedge-policy.js";
import { ENVELOPE_TYPE } from "./media.js";
import { EVENT_SCHEMAS } from "./openapi-events.js";
import {
  BATCH_ANSWER_SCHEMA,
  batchSchema,
  CONFLICTS_TAKE,
  ENVELOPE_SCHEMA,
  PAGE_SCHEMA,
  PROBLEM_SCHEMA,
} from "./openapi-schemas.js";
import { PROBLEMS, type ProblemCode } from "./problem.js";
import { type Operation, PARAMETERS } from "./query.js";

type Json = Readonly<Record<string, unknown>>;

export function openApi(version: string, limits: Limits): Json {
  return {
    openapi: "3.1.0",
    info: { title: "MurmurDB", version, description: "A leaderless, always-writable, replicated key-value store." },
    paths: { ...keyPaths(limits), ...manyPaths(limits), ...ownersPaths(), ...adminPaths() },
    components: {
      schemas: { Problem: PROBLEM_SCHEMA, Envelope: ENVELOPE_SCHEMA, ...EVENT_SCHEMAS },
      headers: ANSWER_HEADERS,
    },
  };
}

const BUCKET = pathParameter("bucket", "A bucket's name.", { type: "string", pattern: "^[A-Za-z0-9_.-]{1,64}$" });
const KEY = pathParameter("key", "UTF-8, percent-encoded once; a / is %2F. At most 1,024 bytes.", { type: "string" });
const KEY64 = pathParameter("key", "The key's UTF-8 bytes in base64url without padding.", { type: "string" });

const READ_LEVEL_SCHEMA = levelSchema(READ_LEVEL_NAMES);
const WRITE_LEVEL_SCHEMA = levelSchema(LEVEL_NAMES);
const DURATION_SCHEMA = { type: "string", pattern: "^[0-9]+(ms|s|m|h)$", examples: ["500ms"] };

/** What each query parameter of query.ts takes. */
const PARAMETER_SCHEMAS: Readonly<Record<string, Json>> = {
  limit: { type: "integer", minimum: 1 },
  after: { type: "string" },
  r: READ_LEVEL_SCHEMA,
  w: WRITE_LEVEL_SCHEMA,
  timeout: DURATION_SCHEMA,
  ttl: DURATION_SCHEMA,
  stamp: { type: "integer", minimum: 1 },
  mend: { const: "never" },
  hedge: { type: "string", examples: ["p95", "10ms", "min(p99,50ms)", "max(p95,5ms)", "always", "never"] },
};

const PARAMETER_TEXTS: Readonly<Record<string, string>> = {
  limit: "How many keys at most. Default: 100.",
  after: "The next of the page before.",
  r: "How many owners must answer. Default: the bucket's.",
  w: "How many owners must have the write on disk. Default: the bucket's.",
  timeout: "How long the request may take.",
  ttl: "After how long the value is gone.",
  stamp: "The client's own stamp, in microseconds since 1970; only where the bucket has clientStamps: true.",
  mend: "never: take the first answers as they are and repair nothing.",
  hedge: `When a spare replica is asked for an answer that is late: ${HEDGE_EXPECTED}. Default: the bucket's.`,
};

function keyPaths(limits: Limits): Json {
  const operations = {
    get: read("The value of a key."),
    head: read("As GET, without the value."),
    put: put(limits),
    delete: remove(),
  };
  return {
    "/v1/buckets/{bucket}/keys/{key}": { parameters: [BUCKET, KEY], ...operations },
    "/v1/buckets/{bucket}/keys64/{key}": { parameters: [BUCKET, KEY64], ...operations },
  };
}

function read(summary: string): Json {
  const bytes = { schema: { type: "string", format: "binary" } };
  return {
    summary,
    parameters: [
      ...queryParameters("read"),
      headerParameter("If-None-Match", "An ETag: 304 when it still holds."),
      headerParameter("Accept", `${ENVELOPE_TYPE} for the envelope; anything else gives the bytes.`),
    ],
    responses: {
      200: answer("The value, with its own Content-Type.", {
        "*/*": bytes,
        [ENVELOPE_TYPE]: { schema: { $ref: "#/components/schemas/Envelope" } },
      }),
      304: answer("What the client holds is current."),
      404: answer("No value. The context still covers a delete.", PROBLEM_CONTENT),
      ...problems("bad-request", "unknown-host", "unavailable", "timeout"),
    },
  };
}

function put(limits: Limits): Json {
  return {
    summary: "Stores a value.",
    parameters: [...queryParameters("put"), CONTEXT_PARAMETER],
    requestBody: {
      required: true,
      description: `Any bytes, at most ${limits.valueBytesMax}. Content-Type is kept.`,
      content: { "*/*": { schema: { type: "string", format: "binary" } } },
    },
    responses: {
      204: answer("Stored by as many owners as the level asks."),
      ...problems(...WRITE_PROBLEMS, "too-large", "unsupported-media-type"),
    },
  };
}

function remove(): Json {
  return {
    summary: "Deletes a value.",
    parameters: [...queryParameters("delete"), CONTEXT_PARAMETER],
    responses: { 204: answer("Deleted by as many owners as the level asks."), ...problems(...WRITE_PROBLEMS) },
  };
}

const WRITE_PROBLEMS: readonly ProblemCode[] = [
  "bad-request",
  "forbidden",
  "unknown-host",
  "not-built",
  "unavailable",
  "timeout",
  "disk-full",
];

function manyPaths(limits: Limits): Json {
  const post = {
    summary: "Many reads and writes. 200 whatever became of them: each has a status of its own.",
    requestBody: {
      required: true,
      description: `At most ${limits.batchBytesMax} bytes.`,
      content: { "application/json": { schema: batchSchema(READ_LEVEL_SCHEMA, WRITE_LEVEL_SCHEMA, limits) } },
    },
    responses: {
      200: jsonOf("What became of each.", BATCH_ANSWER_SCHEMA),
      ...problems("bad-request", "forbidden", "type-mismatch", "too-large", "unsupported-media-type", "overloaded"),
    },
  };
  const get = {
    summary: "The keys of a bucket, a page at a time.",
    parameters: queryParameters("list"),
    responses: { 200: jsonOf("One page.", PAGE_SCHEMA), ...problems("bad-request", "unavailable", "timeout") },
  };
  return { "/v1/batch": { post }, "/v1/buckets/{bucket}/keys": { parameters: [BUCKET], get } };
}

function ownersPaths(): Json {
  const get = {
    summary: "The owners of a key in preference order.",
    responses: { 200: json("Token, partition, owners."), ...problems("bad-request") },
  };
  return {
    "/v1/owners/{bucket}/{key}": { parameters: [BUCKET, KEY], get },
    "/v1/owners64/{bucket}/{key}": { parameters: [BUCKET, KEY64], get },
  };
}

function events(): Json {
  return {
    summary: "What happens at this node, as Server-Sent Events that go on until either side ends them.",
    description: "The data of each event is JSON: see the schemas HelloEvent, MemberEvent, StatsEvent and ByeEvent.",
    parameters: [{ name: "stats", in: "query", description: "never: no stats events.", schema: { const: "never" } }],
    responses: {
      200: {
        description: "The events hello (first, once), member, stats (each second), bye (last, when the node stops).",
        content: { "text/event-stream": { schema: { type: "string" } } },
      },
      ...problems("bad-request", "overloaded"),
    },
  };
}

function adminPaths(): Json {
  const get = (summary: string, further: Json = {}) => ({
    get: { summary, responses: { 200: json("As asked."), ...further } },
  });
  return {
    "/": get("Where to go from here."),
    "/v1/cluster": get("All members as this node sees them."),
    "/v1/ring": get("The owners of every partition."),
    "/v1/latency": get("How long its peers take to answer this node's reads, and when those are hedged."),
    "/v1/top": get("The keys this node is asked for most, with their rates and how far those may be off."),
    "/v1/conflicts": {
      get: { ...get("The last register writes here that replaced what nobody had seen.").get, ...CONFLICTS_TAKE },
    },
    "/v1/hints": get("For whom this node keeps hints: how many, how large, how old, and what becomes of them."),
    "/v1/hints/flush": { post: flush() },
    "/v1/repair": { ...get("How far the last repair of this node is, and what it found."), post: repair() },
    "/v1/events": { get: events() },
    "/health/live": get("Whether the process lives."),
    "/health/ready": get("Whether this node serves requests, and whom it sees.", {
      503: json("Not yet, or no longer."),
    }),
    "/metrics": {
      get: {
        summary: "Metrics for Prometheus.",
        responses: { 200: { description: "Text format.", content: { "text/plain": {} } } },
      },
    },
    "/openapi.json": get("This description."),
  };
}

function flush(): Json {
  const timeout = { name: "timeout", in: "query", description: "How long to wait at most.", schema: DURATION_SCHEMA };
  return {
    summary: "Waits until all hints that this node keeps now are delivered, or given up.",
    parameters: [timeout],
    responses: {
      200: json("How many there were, how many are left, and whether that is complete."),
      ...problems("bad-request", "forbidden", "overloaded"),
    },
  };
}

function repair(): Json {
  const check = { description: "true: differences and damage are counted only.", schema: { type: "boolean" } };
  const bucket = { description: "Only the rows of this bucket.", schema: { type: "string" } };
  return {
    summary: "Reads all that this node stores against its checksums and compares it with every peer, now.",
    parameters: [
      { name: "check", in: "query", ...check },
      { name: "bucket", in: "query", ...bucket },
    ],
    responses: {
      200: json("Whether it has begun (begun) or another was under way, and its status as of GET."),
      ...problems("bad-request", "forbidden"),
    },
  };
}

function queryParameters(operation: Operation): Json[] {
  return [...PARAMETERS[operation].keys()].map((name) => ({
    name,
    in: "query",
    description: PARAMETER_TEXTS[name],
    schema: PARAMETER_SCHEMAS[name],
  }));
}

function levelSchema(names: readonly string[]): Json {
  return {
    anyOf: [
      { type: "string", enum: names, description: "In any case." },
      { type: "integer", minimum: 1, description: "So many owners, at most N." },
    ],
  };
}

function pathParameter(name: string, description: string, schema: Json): Json {
  return { name, in: "path", required: true, description, schema };
}

function headerParameter(name: string, description: string): Json {
  return { name, in: "header", description, schema: { type: "string" } };
}

const CONTEXT_PARAMETER = headerParameter("Murmur-Context", "What was read: the write supersedes it.");

const ANSWER_HEADERS = {
  "Murmur-Context": { description: "The causal context, opaque.", schema: { type: "string" } },
  ETag: { description: "A hash of the context.", schema: { type: "string" } },
  "Server-Timing": { description: "One entry per replica asked.", schema: { type: "string" } },
};

function answer(description: string, content?: Json): Json {
  const headers = Object.keys(ANSWER_HEADERS).map((name) => [name, { $ref: `#/components/headers/${name}` }]);
  return { description, headers: Object.fromEntries(headers), ...(content === undefined ? {} : { content }) };
}

function json(description: string): Json {
  return jsonOf(description, { type: "object" });
}

function jsonOf(description: string, schema: object): Json {
  return { description, content: { "application/json": { schema } } };
}

const PROBLEM_CONTENT = { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } };

/** One answer per status; several codes may share one. */
function problems(...codes: readonly ProblemCode[]): Json {
  const responses = codes.map((code) => [
    PROBLEMS[code].status,
    { description: PROBLEMS[code].title, content: PROBLEM_CONTENT },
  ]);
  return { ...Object.fromEntries(responses), default: { description: "Any other refusal.", content: PROBLEM_CONTENT } };
}
