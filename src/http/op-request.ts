/**
 * The body of a POST to a key, and `op` in a batch: how a counter, a set or a
 * map changes.
 *
 *     counter  {"add": 5}
 *     set      {"add": ["a"], "remove": ["b"]}
 *     map      {"set": {name: json}, "counters": {name: n}, "sets": {name: {add, remove}},
 *               "maps": {name: {…}}, "remove": [name]}
 *
 * Which of the three a bucket takes its lattice says. A number that JSON in
 * other programs would round is refused: what is read back must be what was sent.
 */
import { utf8 } from "../base/bytes.js";
import { type BucketConfig, latticeNameOf } from "../cluster-config.js";
import type { Limits } from "../config.js";
import type { Add, EditMap, EditSet, Op } from "../lattice/op.js";
import { latticeNamed } from "../lattice/registry.js";
import { checkNames, fieldsOf, member, refusal, refuseWith } from "./json-body.js";
import { Problem } from "./problem.js";
import { quoted } from "./query.js";

/** The operations that come as a POST. */
export type PostKind = "add" | "edit-set" | "edit-map";

/** Whether an operation came as one of them: it is answered with the value that it left. */
export function isPostKind(kind: Op["kind"]): kind is PostKind {
  return Object.hasOwn(WRITTEN, kind);
}

/** How each is written: for whoever asked for another. */
const WRITTEN: Readonly<Record<PostKind, string>> = {
  add: '{"add": 5}',
  "edit-set": '{"add": ["a"], "remove": ["b"]}',
  "edit-map": '{"set": {"name": "Ada"}, "counters": {"logins": 1}, "remove": ["age"]}',
};

/** What a bucket keeps under an address. */
type BucketType = Pick<BucketConfig, "type" | "cells">;

/** The one that such a bucket takes; undefined: it takes PUT. */
export function postKindOf(bucket: BucketType): PostKind | undefined {
  const lattice = latticeNamed(latticeNameOf(bucket));
  return (Object.keys(WRITTEN) as PostKind[]).find((kind) => lattice?.accepts(kind));
}

/** Why such a bucket takes no PUT; undefined when it does. `place` is where it was asked in a batch. */
export function putRefusal(bucket: BucketType, place = ""): Problem | undefined {
  const kind = postKindOf(bucket);
  if (kind === undefined) return undefined;
  const [how, what] = place === "" ? ["POST", "a PUT"] : ["op", "a value"];
  const remedy = `${named(bucket)} takes ${how}, such as ${WRITTEN[kind]}, and ${place === "" ? "DELETE" : "delete"}`;
  return new Problem("type-mismatch", `${place}${remedy}; ${what} would undo what others did meanwhile`);
}

/** Why such a bucket takes no POST. */
export function postRefusal(bucket: BucketType, place = ""): Problem {
  const [takes, not, sort] = place === "" ? ["PUT and DELETE", "POST", "?sort="] : ["value or delete", "op", "sort"];
  const ofCells = bucket.cells === undefined ? "" : ` of a cell, with ${sort}`;
  const detail = `${place}${named(bucket)} takes ${takes}${ofCells}; ${not} changes counters, sets and maps`;
  return new Problem("type-mismatch", detail);
}

function named({ type, cells }: BucketType): string {
  return cells === undefined ? `a ${type} bucket` : `a ${type} bucket of ${cells} cells`;
}

/** What the JSON at `place` asks for. Throws a refusal that names the place. */
export function opOf(kind: PostKind, json: unknown, place: string, limits: Limits): Op {
  switch (kind) {
    case "add":
      return addOf(json, place);
    case "edit-set":
      return editSetOf(json, place, limits);
    case "edit-map":
      return editMapOf(json, place, limits, 1);
  }
}

function addOf(json: unknown, place: string): Add {
  const fields = fieldsOf(json, place);
  checkNames(place, fields, ["add"]);
  return { kind: "add", by: integerOf(fields.add, member(place, "add")) };
}

function integerOf(value: unknown, place: string): number {
  // Plus nothing: there is one zero.
  if (Number.isSafeInteger(value)) return (value as number) + 0;
  throw refusal(place, `takes an integer from -${Number.MAX_SAFE_INTEGER} to ${Number.MAX_SAFE_INTEGER}`);
}

const SET_FIELDS = ["add", "remove"];

function editSetOf(json: unknown, place: string, limits: Limits): EditSet {
  const fields = fieldsOf(json, place);
  checkNames(place, fields, SET_FIELDS);
  if (fields.add === undefined && fields.remove === undefined) throw refusal(place, "takes add, remove or both");
  const add = textsOf(fields.add, member(place, "add"), limits);
  const remove = textsOf(fields.remove, member(place, "remove"), limits);
  for (const [element, at] of remove) {
    if (add.has(element)) throw refusal(at, `${quoted(element)} is in add too`);
  }
  return { kind: "edit-set", add: [...add.keys()], remove: [...remove.keys()] };
}

const MAP_FIELDS = ["set", "counters", "sets", "maps", "remove"];

/** `level`: in how many maps it lies, itself included. */
function editMapOf(json: unknown, place: string, limits: Limits, level: number): EditMap {
  if (level > JSON_LEVELS_MAX) throw tooDeep(place);
  const fields = fieldsOf(json, place);
  checkNames(place, fields, MAP_FIELDS);
  if (Object.keys(fields).length === 0) throw refusal(place, `takes ${MAP_FIELDS.join(", ")}, one of them at least`);
  const taken = new Map<string, string>();
  const eachOf = <Change>(section: string, changeOf: (value: unknown, place: string) => Change) =>
    Object.entries(fields[section] === undefined ? {} : fieldsOf(fields[section], member(place, section))).map(
      ([name, value]): readonly [string, Change] => {
        const at = member(member(place, section), name);
        checkText(name, at, limits);
        takeOnce(taken, name, section, at);
        return [name, changeOf(value, at)];
      },
    );
  const edit = {
    set: eachOf("set", (value, at) => jsonBytes(value, at, level)),
    counters: eachOf("counters", (value, at): Add => ({ kind: "add", by: integerOf(value, at) })),
    sets: eachOf("sets", (value, at) => editSetOf(value, at, limits)),
    maps: eachOf("maps", (value, at) => editMapOf(value, at, limits, level + 1)),
    remove: textsOf(fields.remove, member(place, "remove"), limits),
  };
  for (const [name, at] of edit.remove) takeOnce(taken, name, "remove", at);
  return { kind: "edit-map", ...edit, remove: [...edit.remove.keys()] };
}

function takeOnce(taken: Map<string, string>, name: string, section: string, place: string): void {
  const before = taken.get(name);
  if (before !== undefined) throw refusal(place, `${before} changes this field too; one request changes a field once`);
  taken.set(name, section);
}

/** The texts of a list, each once, and the place of each. */
function textsOf(list: unknown, place: string, limits: Limits): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  if (list === undefined) return texts;
  if (!Array.isArray(list)) throw refusal(place, "takes a list of texts");
  for (const [index, text] of list.entries()) {
    const at = member(place, index);
    if (typeof text !== "string") throw refusal(at, "takes a text");
    checkText(text, at, limits);
    texts.set(text, at);
  }
  return texts;
}

function checkText(text: string, place: string, { elementBytesMax }: Limits): void {
  if (/\p{Surrogate}/u.test(text)) throw refusal(place, "has half of a surrogate pair: it is not Unicode text");
  const bytes = utf8(text).length;
  if (bytes <= elementBytesMax) return;
  const detail = `${place}: ${bytes} bytes; the limit is ${elementBytesMax} (elementBytesMax)`;
  throw refuseWith(new Problem("too-large", detail));
}

/** A value as the text that is kept of it. */
function jsonBytes(value: unknown, place: string, level: number): Uint8Array {
  checkJson(value, place, level);
  return utf8(JSON.stringify(value));
}

/** Refuses what would not come back as it was sent, and what is nested so deep that others cannot read it. */
function checkJson(value: unknown, place: string, level: number): void {
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw refusal(place, "an integer beyond what every program reads exactly; send it as a text");
  }
  // JSON.parse makes it Infinity, which would be kept as null.
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw refusal(place, "a number beyond what a double holds; send it as a text");
  }
  if (typeof value !== "object" || value === null) return;
  if (level >= JSON_LEVELS_MAX) throw tooDeep(place);
  const isList = Array.isArray(value);
  for (const [name, inner] of Object.entries(value)) {
    checkJson(inner, member(place, isList ? Number(name) : name), level + 1);
  }
}

function tooDeep(place: string): Error {
  return refusal(place, `nested deeper than ${JSON_LEVELS_MAX} levels`);
}

/** Objects and lists in each other, the map itself included: what JSON parsers everywhere take. */
const JSON_LEVELS_MAX = 32;
