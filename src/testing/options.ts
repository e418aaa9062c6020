/**
 * What `startCluster` takes, looked at before anything is begun: a number that is a text would become no time at all, or
 * fail where nobody can tell why. What a cluster file may say too is checked as one, by cluster-text.ts.
 */
import { inspect } from "node:util";
import { TIMER_MS_MAX } from "../base/duration.js";
import { nearestName } from "../base/names.js";
import type { ClusterSettings, TestNodeOptions } from "./cluster-text.js";

export interface ClusterOptions extends ClusterSettings {
  /** How many, named n1, n2, …; or each by itself. 3 by default. */
  readonly nodes?: number | readonly TestNodeOptions[];
  /** Gets each line of the nodes' logs. They are dropped by default, but for the end of it in errors. */
  readonly log?: (line: string) => void;
  /** How much longer a frame takes to another datacenter, one way, in milliseconds. 0 by default. */
  readonly distanceMs?: number;
  /** How long starting, healing, or any other command may take, in milliseconds. 30,000 by default. */
  readonly deadlineMs?: number;
}

/** What is expected of a value, and whether it is that. */
type Rule = readonly [expected: string, isMet: (value: unknown) => boolean];

const LATENESS: Rule = [`milliseconds from 0 to ${TIMER_MS_MAX}`, (value) => isNumber(value, 0, TIMER_MS_MAX)];
const PERCENT: Rule = ["0 to 100", (value) => isNumber(value, 0, 100)];
const NODE: Rule = ["a node such as { id: 'a', rack: 'r1' }", isObject];
/** Left to the rules of a cluster file. */
const ANYTHING: Rule = ["anything", () => true];

const OPTIONS: Readonly<Record<keyof ClusterOptions, Rule>> = {
  nodes: [
    "1 or more, or a list such as [{ id: 'a' }, { id: 'b' }]",
    (value) => Array.isArray(value) || (Number.isInteger(value) && (value as number) >= 1),
  ],
  log: ["a function that takes a line", (value) => typeof value === "function"],
  distanceMs: LATENESS,
  deadlineMs: [
    `milliseconds, more than 0 and at most ${TIMER_MS_MAX}`,
    (value) => isNumber(value, 0, TIMER_MS_MAX) && value !== 0,
  ],
  limits: ["limits by name, such as { valueBytesMax: 1000 }", isObject],
  replication: ANYTHING,
  partitions: ANYTHING,
  consistency: ANYTHING,
  hedge: ANYTHING,
  buckets: ANYTHING,
  defaults: ANYTHING,
  durability: ANYTHING,
};

/** Throws a TypeError that names the option and what was expected. */
export function checkOptions(options: ClusterOptions): void {
  expect("options", options, ["options such as { nodes: 3 }", isObject]);
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(OPTIONS, name) ? OPTIONS[name as keyof ClusterOptions] : undefined;
    if (rule === undefined) throw new TypeError(unknown(name));
    if (value !== undefined) expect(name, value, rule);
  }
  if (typeof options.nodes !== "object") return;
  for (const [index, node] of options.nodes.entries()) expect(`nodes[${index}]`, node, NODE);
}

/** As `checkOptions`, of how slow a node is to be. */
export function checkSlowness(slowness: { readonly percent: number; readonly delayMs: number }): void {
  expect("slowness", slowness, ["how slow, such as { percent: 2, delayMs: 100 }", isObject]);
  expect("percent", slowness.percent, PERCENT);
  expect("delayMs", slowness.delayMs, LATENESS);
}

function expect(name: string, value: unknown, [expected, isMet]: Rule): void {
  if (!isMet(value)) throw new TypeError(`${name}: expected ${expected}, found ${found(value)}`);
}

function unknown(name: string): string {
  const names = Object.keys(OPTIONS);
  const nearest = nearestName(name, names);
  const remedy = nearest === undefined ? `one of ${names.join(", ")}` : "a known option";
  const hint = nearest === undefined ? "remove it" : `did you mean ${nearest}?`;
  return `${name}: expected ${remedy}, found "${name}"; ${hint}`;
}

/** On one line, and never all of something large. */
function found(value: unknown): string {
  return inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY, maxArrayLength: 3, maxStringLength: 40 });
}

function isNumber(value: unknown, least: number, most: number): boolean {
  return typeof value === "number" && value >= least && value <= most;
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
