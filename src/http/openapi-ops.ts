/**
 * What changes a counter, a set or a map, what that answers, and several
 * values of one key, as JSON Schema.
 */
import type { Limits } from "../config.js";

export const SIBLING_SCHEMA = {
  type: "object",
  required: ["contentType", "value"],
  properties: { contentType: { type: "string" }, value: { type: "string", contentEncoding: "base64" } },
};

export const SIBLINGS_SCHEMA = {
  type: "object",
  required: ["siblings", "context"],
  properties: {
    siblings: { type: "array", items: SIBLING_SCHEMA, minItems: 2, description: "In the same order at every node." },
    context: { type: "string" },
  },
};

export const CHANGED_SCHEMA = {
  type: "object",
  required: ["value", "context"],
  properties: {
    value: { type: ["integer", "array", "object"], description: "A counter's sum, a set's elements, a map's fields." },
    context: { type: "string" },
  },
};

const INTEGER = { type: "integer", minimum: -Number.MAX_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };

/** One of three, by the type of the bucket. */
export function opSchema({ elementBytesMax }: Limits): object {
  const texts = {
    type: "array",
    items: { type: "string", description: `At most ${elementBytesMax} bytes of UTF-8.` },
  };
  const set = {
    type: "object",
    properties: { add: texts, remove: texts },
    description: "No text is in both.",
    minProperties: 1,
  };
  const counter = { type: "object", required: ["add"], properties: { add: INTEGER } };
  const fieldsOf = (value: object) => ({ type: "object", additionalProperties: value });
  const map = {
    type: "object",
    minProperties: 1,
    description: "Fields by name, all changed at once; none is in two of these.",
    properties: {
      set: { type: "object", description: "Registers: any JSON." },
      counters: fieldsOf(INTEGER),
      sets: fieldsOf(set),
      maps: fieldsOf({ type: "object", description: "As this, for a map in the map." }),
      remove: texts,
    },
  };
  return { oneOf: [counter, set, map] };
}
