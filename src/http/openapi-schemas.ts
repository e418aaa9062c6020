/**
 * The bodies of the API, as JSON Schema.
 */
import type { Limits } from "../config.js";
import type { Asked } from "../coordinator/outcome.js";
import { opSchema, SIBLING_SCHEMA } from "./openapi-ops.js";
import { PROBLEMS } from "./problem.js";

export const PROBLEM_SCHEMA = {
  type: "object",
  required: ["type", "title", "status", "detail", "code", "mayHaveApplied"],
  properties: {
    type: { type: "string" },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string" },
    code: { type: "string", enum: Object.keys(PROBLEMS) },
    level: { type: ["string", "integer"] },
    required: { type: "integer", description: "Answers that the level needs." },
    received: { type: "integer", description: "Answers that came." },
    alive: { type: "integer", description: "Owners thought alive; when unavailable, those that would count." },
    mayHaveApplied: { type: "boolean", description: "False only if it is certain that the write did not happen." },
    limits: {
      type: "object",
      description: "By name: limits of this node that the request is beyond. What keeps to them is taken.",
      additionalProperties: { type: "number" },
    },
  },
};

const STATES: Readonly<Record<Asked["state"], string>> = {
  same: "holds the answer",
  behind: "held less, and is mended",
  failed: "refused or damaged",
  pending: "silent so far",
};

export const ENVELOPE_SCHEMA = {
  type: "object",
  required: ["bucket", "key", "found", "siblings", "context", "level", "replicas", "mended"],
  properties: {
    bucket: { type: "string" },
    key: { type: "string" },
    found: { type: "boolean" },
    value: { type: "string", contentEncoding: "base64" },
    contentType: { type: "string" },
    siblings: { type: "array", items: SIBLING_SCHEMA, description: "All values when there are several, else none." },
    merged: {
      const: true,
      description: "The bucket's merge function made this value of siblings; the context is theirs.",
    },
    context: { type: "string" },
    level: { type: ["string", "integer"] },
    replicas: {
      type: "array",
      items: {
        type: "object",
        properties: {
          node: { type: "string" },
          ms: { type: ["number", "null"] },
          askedMs: { type: "number" },
          role: { enum: ["first", "hedge", "late", "self"] },
          state: {
            enum: Object.keys(STATES),
            description: Object.entries(STATES)
              .map(([state, means]) => `${state}: ${means}.`)
              .join(" "),
          },
        },
      },
    },
    mended: { type: "array", items: { type: "string" } },
  },
};

const ADDRESS = {
  bucket: { type: "string" },
  key: { type: "string", description: "Either this or key64." },
  key64: { type: "string", description: "The key's UTF-8 bytes in base64url without padding." },
  sort: { type: "string", description: "Which cell of the key: in a row bucket always, elsewhere never." },
};

const BATCH_ITEM = {
  type: "object",
  required: ["status"],
  description: "As the key alone would have been answered.",
  properties: {
    status: {
      type: "integer",
      description:
        "A read: 200, 300 or 404. A write: 204, or 200 with the value that its op left (204 when that has no room).",
    },
    value: { type: "string", contentEncoding: "base64" },
    contentType: { type: "string" },
    siblings: { type: "array", items: SIBLING_SCHEMA },
    merged: { const: true },
    context: { type: "string" },
    code: {
      type: "string",
      description: "For every status but 200, 204 and 300; of failures also what a Problem says.",
    },
    mayHaveApplied: { type: "boolean" },
  },
};

/** What a batch takes; `r` and `w` are the schemas of levels. */
export function batchSchema(r: object, w: object, limits: Limits): object {
  const write = {
    ...ADDRESS,
    value: { type: "string", contentEncoding: "base64", description: "Needed without op and delete." },
    op: { ...opSchema(limits), description: "As the body of a POST to the key, in place of a value." },
    contentType: { type: "string" },
    context: { type: "string", description: "What was read: the write supersedes it." },
    idempotencyKey: { type: "string", description: "What the client calls this change: repeated, it counts once." },
    ttl: { type: "string" },
    stamp: { type: "integer", minimum: 1, description: "As behind the ? of a key." },
    delete: { type: "boolean" },
  };
  return {
    type: "object",
    description: `At most ${limits.batchItemsMax} items. No key is written twice, but increments of one counter are added up. Reads and writes run side by side.`,
    properties: {
      reads: { type: "array", items: { type: "object", required: ["bucket"], properties: ADDRESS } },
      writes: { type: "array", items: { type: "object", required: ["bucket"], properties: write } },
      r,
      w,
      timeoutMs: { type: "number", minimum: 1, maximum: limits.requestDeadlineMsMax },
      partial: { type: "boolean", default: true, description: "false: one failure fails the whole." },
      hedge: { type: "string" },
      mend: { const: "never" },
      merge: { const: "never" },
      return: { enum: ["minimal", "representation"], description: "minimal: writes that were done answer 204 alone." },
    },
  };
}

export const BATCH_ANSWER_SCHEMA = {
  type: "object",
  required: ["results", "missing"],
  properties: {
    results: {
      type: "array",
      items: BATCH_ITEM,
      description: "One for each read, then one for each write, both in the order of the request.",
    },
    missing: { type: "array", items: { type: "integer" }, description: "Indexes of results that are 504." },
  },
};

export const PAGE_SCHEMA = {
  type: "object",
  required: ["keys", "next"],
  properties: {
    keys: { type: "array", items: { type: "string" }, description: "In the order of their tokens. May be empty." },
    next: { type: ["string", "null"], description: "For after; null at the end, however short the page." },
  },
};

/** Of a list of conflicts. */
export const CONFLICTS_TAKE = {
  parameters: [
    { name: "bucket", in: "query", description: "Only those of this bucket.", schema: { type: "string" } },
    { name: "limit", in: "query", description: "How many. Default: 100.", schema: { type: "integer", minimum: 1 } },
  ],
} as const;

export const DELETED_SCHEMA = {
  type: "object",
  required: ["deleted", "next"],
  properties: {
    deleted: { type: "integer", description: "Cells. Fewer than the limit mean nothing, nor does 0." },
    next: { type: ["string", "null"], description: "The from of the next request; null when no cell is left." },
  },
};

export const RANGE_SCHEMA = {
  type: "object",
  required: ["cells", "next"],
  properties: {
    cells: {
      type: "array",
      description: "Fewer than asked for mean nothing: only where next is null is there no more.",
      items: {
        type: "object",
        required: ["sort", "context"],
        properties: {
          sort: { type: "string" },
          value: { type: "string", contentEncoding: "base64" },
          contentType: { type: "string" },
          siblings: {
            type: "array",
            items: SIBLING_SCHEMA,
            description: "In place of a value, when there are several.",
          },
          context: { type: "string" },
        },
      },
    },
    next: { type: ["string", "null"], description: "The from of the next page." },
  },
};
