/**
 * Bodies that are JSON: read, and taken apart with the place of every mistake,
 * such as `reads[3].key` or `sets["my tags"].add[0]`.
 *
 * What is not understood is refused by name, as behind the `?` of a key: a
 * misspelt field that is silently ignored would be found in production.
 */
import type { IncomingHttpHeaders } from "node:http";
import { textOf } from "../base/bytes.js";
import { nearestName } from "../base/names.js";
import { badRequest, Problem } from "./problem.js";
import { quoted } from "./query.js";

export const JSON_TYPE = "application/json";

export type Fields = Readonly<Record<string, unknown>>;

/** Thrown below `refused` only: deep in a body, a mistake ends it all. */
class Refusal extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

/** What `parse` makes of a body, or why it refused to. */
export function refused<Parsed>(parse: () => Parsed): Parsed | Problem {
  try {
    return parse();
  } catch (error) {
    if (error instanceof Refusal) return error.problem;
    throw error;
  }
}

export function refuseWith(problem: Problem): Refusal {
  return new Refusal(problem);
}

/** `place` is empty for the body itself. */
export function refusal(place: string, detail: string): Refusal {
  return new Refusal(badRequest(`${place === "" ? "the body" : place}: ${detail}`));
}

/** The place of a member of what is at `place`. */
export function member(place: string, name: string | number): string {
  if (typeof name === "string" && /^\w{1,40}$/.test(name)) return place === "" ? name : `${place}.${name}`;
  return `${place}[${typeof name === "number" ? name : quoted(name)}]`;
}

export function parsedJson(body: Uint8Array): unknown {
  const text = textOf(body);
  if (text === undefined) throw new Refusal(badRequest("the body is not UTF-8"));
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Refusal(badRequest("the body is not JSON"));
  }
}

export function fieldsOf(value: unknown, place: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw refusal(place, "takes an object");
}

export function checkNames(place: string, fields: Fields, names: readonly string[]): void {
  for (const name of Object.keys(fields)) {
    if (names.includes(name)) continue;
    const nearest = nearestName(name, names);
    const remedy = nearest === undefined ? `it takes ${names.join(", ")}` : `did you mean ${nearest}?`;
    throw refusal(place, `unknown field ${quoted(name)}; ${remedy}`);
  }
}

/** Why a body with these headers is not JSON in UTF-8; `what` it is, as in "a batch". */
export function typeRefusal(headers: IncomingHttpHeaders, what: string): Problem | undefined {
  const [type, ...parameters] = (headers["content-type"] ?? "")
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  const isPlain = parameters.every((parameter) => parameter === "charset=utf-8" || parameter === 'charset="utf-8"');
  if (type === JSON_TYPE && isPlain) return undefined;
  return new Problem("unsupported-media-type", `${what} is application/json in UTF-8`);
}
