/**
 * What the parts of the API's description are made of: parameters, answers, problems.
 */
import { PROBLEMS, type ProblemCode } from "./problem.js";

export type Json = Readonly<Record<string, unknown>>;

export const DURATION_SCHEMA = { type: "string", pattern: "^[0-9]+(ms|s|m|h)$", examples: ["500ms"] };

export function levelSchema(names: readonly string[]): Json {
  return {
    anyOf: [
      { type: "string", enum: names, description: "In any case." },
      { type: "integer", minimum: 1, description: "So many owners, at most N." },
    ],
  };
}

export function pathParameter(name: string, description: string, schema: Json): Json {
  return { name, in: "path", required: true, description, schema };
}

export function headerParameter(name: string, description: string): Json {
  return { name, in: "header", description, schema: { type: "string" } };
}

export const CONTEXT_PARAMETER = headerParameter(
  "Murmur-Context",
  "What was read of this very key: the write supersedes it.",
);
export const ID_PARAMETER = headerParameter(
  "Idempotency-Key",
  "What the client calls this change of this key: repeated within its time, by whichever node, it counts once.",
);

export const ANSWER_HEADERS = {
  "Murmur-Context": { description: "The causal context, opaque.", schema: { type: "string" } },
  ETag: { description: "A hash of the context.", schema: { type: "string" } },
  "Server-Timing": {
    description:
      "One entry per replica asked: `start` is when, unless at once, and `dur` how long it took, in milliseconds.",
    schema: { type: "string" },
  },
};

export function answer(description: string, content?: Json): Json {
  const headers = Object.keys(ANSWER_HEADERS).map((name) => [name, { $ref: `#/components/headers/${name}` }]);
  return { description, headers: Object.fromEntries(headers), ...(content === undefined ? {} : { content }) };
}

export function json(description: string): Json {
  return jsonOf(description, { type: "object" });
}

export function jsonOf(description: string, schema: object): Json {
  return { description, content: { "application/json": { schema } } };
}

export const PROBLEM_CONTENT = { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } };

/** One answer per status; several codes may share one. */
export function problems(...codes: readonly ProblemCode[]): Json {
  const responses = codes.map((code) => [
    PROBLEMS[code].status,
    { description: PROBLEMS[code].title, content: PROBLEM_CONTENT },
  ]);
  return { ...Object.fromEntries(responses), default: { description: "Any other refusal.", content: PROBLEM_CONTENT } };
}
