/**
 * The description of the API as built, in OpenAPI 3.1.
 *
 * Methods, parameters and codes come from the very tables that serve them, so
 * that the description cannot promise what the code refuses.
 */
import { LEVEL_NAMES, type Limits, READ_LEVEL_NAMES } from "../config.js";
import { HEDGE_EXPECTED } from "../coordinator/hedge-policy.js";
import { ENVELOPE_TYPE } from "./media.js";
import { adminPaths } from "./openapi-admin.js";
import { EVENT_SCHEMAS } from "./openapi-events.js";
import { CHANGED_SCHEMA, opSchema, SIBLINGS_SCHEMA } from "./openapi-ops.js";
import {
  ANSWER_HEADERS,
  answer,
  CONTEXT_PARAMETER,
  DURATION_SCHEMA,
  headerParameter,
  ID_PARAMETER,
  type Json,
  json,
  jsonOf,
  levelSchema,
  PROBLEM_CONTENT,
  pathParameter,
  problems,
} from "./openapi-parts.js";
import {
  BATCH_ANSWER_SCHEMA,
  batchSchema,
  DELETED_SCHEMA,
  ENVELOPE_SCHEMA,
  PAGE_SCHEMA,
  PROBLEM_SCHEMA,
  RANGE_SCHEMA,
} from "./openapi-schemas.js";
import type { ProblemCode } from "./problem.js";
import { type Operation, PARAMETERS } from "./query.js";

export function openApi(version: string, limits: Limits): Json {
  return {
    openapi: "3.1.0",
    info: { title: "MurmurDB", version, description: "A leaderless, always-writable, replicated key-value store." },
    paths: { ...keyPaths(limits), ...manyPaths(limits), ...rangePaths(), ...ownersPaths(), ...adminPaths() },
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

/** What each query parameter of query.ts takes. */
const PARAMETER_SCHEMAS: Readonly<Record<string, Json>> = {
  sort: { type: "string", minLength: 1 },
  from: { type: "string", minLength: 1 },
  to: { type: "string", minLength: 1 },
  limit: { type: "integer", minimum: 1 },
  after: { type: "string" },
  r: READ_LEVEL_SCHEMA,
  w: WRITE_LEVEL_SCHEMA,
  timeout: DURATION_SCHEMA,
  ttl: DURATION_SCHEMA,
  stamp: { type: "integer", minimum: 1 },
  mend: { const: "never" },
  merge: { const: "never" },
  hedge: { type: "string", examples: ["p95", "10ms", "min(p99,50ms)", "max(p95,5ms)", "always", "never"] },
};

const PARAMETER_TEXTS: Readonly<Record<string, string>> = {
  sort: "Which cell of the key: in a row bucket always, elsewhere never.",
  from: "The first sort key, or the next of the page before. Default: the first there is.",
  to: "The sort key before which to end. Default: to the last there is.",
  limit: "How many keys or cells at most. Default: 100.",
  after: "The next of the page before.",
  r: "How many owners must answer. Default: the bucket's.",
  w: "How many owners must have the write on disk. Default: the bucket's.",
  timeout: "How long the request may take.",
  ttl: "After how long the value is gone.",
  stamp: "The client's own stamp, in microseconds since 1970; only where the bucket has clientStamps: true.",
  mend: "never: take the first answers as they are and repair nothing.",
  merge: "never: siblings as they are, where the bucket has a merge function.",
  hedge: `When a spare replica is asked for an answer that is late: ${HEDGE_EXPECTED}. Default: the bucket's.`,
};

function keyPaths(limits: Limits): Json {
  const operations = {
    get: read("The value of a key."),
    head: read("As GET, without the value."),
    put: put(limits),
    post: change(limits),
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
      headerParameter("Accept", `${ENVELOPE_TYPE} for the envelope; application/json for siblings as JSON.`),
    ],
    responses: {
      200: answer("The value, with its own Content-Type.", {
        "*/*": bytes,
        [ENVELOPE_TYPE]: { schema: { $ref: "#/components/schemas/Envelope" } },
      }),
      300: answer("Several concurrent values: decide, and PUT with the context.", {
        "multipart/mixed": bytes,
        "application/json": { schema: SIBLINGS_SCHEMA },
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
    parameters: [...queryParameters("put"), CONTEXT_PARAMETER, ID_PARAMETER],
    requestBody: {
      required: true,
      description: `Any bytes, at most ${limits.valueBytesMax}. Content-Type is kept.`,
      content: { "*/*": { schema: { type: "string", format: "binary" } } },
    },
    responses: {
      204: answer("Stored by as many owners as the level asks."),
      ...problems(...WRITE_PROBLEMS, "too-many-siblings", "too-large", "unsupported-media-type"),
    },
  };
}

function change(limits: Limits): Json {
  return {
    summary: "Changes a counter, a set or a map.",
    parameters: [...queryParameters("post"), CONTEXT_PARAMETER, ID_PARAMETER],
    requestBody: {
      required: true,
      description: `At most ${limits.valueBytesMax} bytes. What a set removes is what the context saw, or what is there.`,
      content: { "application/json": { schema: opSchema(limits) } },
    },
    responses: {
      200: answer("The value that it left, and the context.", { "application/json": { schema: CHANGED_SCHEMA } }),
      ...problems(...WRITE_PROBLEMS, "type-mismatch", "too-large", "unsupported-media-type"),
    },
  };
}

function remove(): Json {
  return {
    summary: "Deletes a value.",
    parameters: [...queryParameters("delete"), CONTEXT_PARAMETER, ID_PARAMETER],
    responses: { 204: answer("Deleted by as many owners as the level asks."), ...problems(...WRITE_PROBLEMS) },
  };
}

const WRITE_PROBLEMS: readonly ProblemCode[] = [
  "bad-request",
  "forbidden",
  "unknown-host",
  "id-reused",
  "too-many-ids",
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

function rangePaths(): Json {
  const get = {
    summary: "The cells of a key of a row bucket, in the order of their sort keys.",
    parameters: queryParameters("range"),
    responses: { 200: jsonOf("One page.", RANGE_SCHEMA), ...problems("bad-request", "unavailable", "timeout") },
  };
  const remove = {
    summary: "Deletes the living cells of a key, a page with each request, as they were read. Repeat it from next on.",
    parameters: queryParameters("range-delete"),
    responses: {
      200: jsonOf("How many were deleted, and where to go on.", DELETED_SCHEMA),
      ...problems("bad-request", "forbidden", "unavailable", "timeout", "disk-full"),
    },
  };
  return {
    "/v1/buckets/{bucket}/partitions/{key}": { parameters: [BUCKET, KEY], get, delete: remove },
    "/v1/buckets/{bucket}/partitions64/{key}": { parameters: [BUCKET, KEY64], get, delete: remove },
  };
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

function queryParameters(operation: Operation): Json[] {
  return [...PARAMETERS[operation].keys()].map((name) => ({
    name,
    in: "query",
    description: PARAMETER_TEXTS[name],
    schema: PARAMETER_SCHEMAS[name],
  }));
}
