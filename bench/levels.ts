/**
 * Put and get at each level, beside plain node:http.
 *
 * Three nodes with three replicas, each a process: every key is owned by the
 * node that is asked, always n1, so the budget shows what one coordinator pays
 * and what the others do. Closed loop: 64 connections for the most it takes,
 * one for the time of a lone request. The arms take turns, and each is
 * divided by plain node:http of the same method and value in the same round.
 * CPU is that of 64 connections; the load generator is this process.
 */
import { ProcessCluster } from "../test/process-cluster.js";
import { closingAfter } from "./closing.js";
import { allRequests, closedLoop, withConnections } from "./load.js";
import { PlainServer } from "./plain-server.js";
import { cpuMicros, pidOf, residentMib } from "./processes.js";
import type { BenchOptions, Result, Row } from "./report.js";
import { ratioSpread, spreadOf } from "./spread.js";

interface Plan {
  readonly rounds: number;
  /** With all connections, and with one. */
  readonly roundMs: number;
  readonly aloneMs: number;
  readonly nodes: number;
  readonly keys: number;
  readonly valueBytes: readonly number[];
}

interface Target {
  readonly port: number;
  readonly coordinator: readonly (number | undefined)[];
  readonly others: readonly (number | undefined)[];
}

interface Targets {
  readonly plain: Target;
  /** Clusters by their durability. */
  readonly group: Target;
  readonly os: Target;
}

interface Arm {
  readonly method: "GET" | "PUT";
  readonly level: string;
  readonly durability: string | undefined;
  readonly valueBytes: number;
  readonly target: Target;
  readonly rounds: Round[];
}

/** What one turn of an arm measured. CPU in microseconds, over all its answers. */
interface Round {
  readonly answers: number;
  readonly failures: number;
  readonly perSecond: number;
  readonly aloneMicros: number;
  readonly client: number;
  readonly coordinator: number | undefined;
  readonly others: number | undefined;
}

const CONNECTIONS = 64;
const PLAIN = "plain node:http";
const LEVELS = ["ONE", "QUORUM", "ALL"];
const OF_PLAIN = "of plain node:http";
const COORDINATOR = "n1";

export async function run(options: BenchOptions): Promise<Result> {
  const plan = planOf(options);
  const say = options.onProgress ?? (() => {});
  return closingAfter(async (keep) => {
    say("starting the servers");
    const plain = keep(await PlainServer.start());
    const group = keep(await ProcessCluster.create({ nodes: plan.nodes }));
    const os = keep(await ProcessCluster.create({ nodes: plan.nodes, lines: ["durability: os"] }));
    await group.startAll();
    await os.startAll();
    const targets: Targets = {
      plain: { port: plain.port, coordinator: [plain.pid], others: [] },
      group: targetOf(group),
      os: targetOf(os),
    };
    say("filling");
    for (const bytes of plan.valueBytes) await fill(targets, bytes, plan.keys);
    const arms = plan.valueBytes.flatMap((bytes) => armsOf(bytes, targets));
    for (const arm of arms) await measure(arm, { ...plan, roundMs: plan.roundMs / 4, aloneMs: 0 });
    for (let round = 0; round < plan.rounds; round++) {
      say(`round ${round + 1} of ${plan.rounds}`);
      for (const arm of round % 2 === 0 ? arms : [...arms].reverse()) arm.rounds.push(await measure(arm, plan));
    }
    return resultOf(arms, plan, residentMib(targets.group.coordinator[0]));
  });
}

function planOf({ quick, tiny }: BenchOptions): Plan {
  if (tiny) return { rounds: 1, roundMs: 30, aloneMs: 10, nodes: 2, keys: 64, valueBytes: [100] };
  if (quick) return { rounds: 2, roundMs: 150, aloneMs: 60, nodes: 3, keys: 1_000, valueBytes: [100] };
  return { rounds: 5, roundMs: 1_000, aloneMs: 200, nodes: 3, keys: 5_000, valueBytes: [100, 1024] };
}

function targetOf(cluster: ProcessCluster): Target {
  const pids = (ids: readonly string[]) => ids.map((id) => pidOf(["node", id, cluster.file]));
  return {
    port: Number(new URL(cluster.url(COORDINATOR)).port),
    coordinator: pids([COORDINATOR]),
    others: pids(cluster.ids.filter((id) => id !== COORDINATOR)),
  };
}

/** Plain ones before those that are divided by them. */
function armsOf(valueBytes: number, { plain, group, os }: Targets): Arm[] {
  const gets = LEVELS.map((level) => ({ method: "GET", level, durability: undefined, target: group }) as const);
  const puts = ([method, durability, target]: readonly ["PUT", string, Target]) =>
    LEVELS.map((level) => ({ method, level, durability, target }));
  const reference = { level: PLAIN, durability: undefined, target: plain } as const;
  return [
    { ...reference, method: "GET" } as const,
    ...gets,
    { ...reference, method: "PUT" } as const,
    ...puts(["PUT", "group", group]),
    ...puts(["PUT", "os", os]),
  ].map((arm) => ({ ...arm, valueBytes, rounds: [] }));
}

/** Everything that will be read is there, on all nodes; and all servers are warm. */
async function fill({ plain, group, os }: Targets, valueBytes: number, keys: number): Promise<void> {
  for (const target of [plain, group, os]) {
    const level = target === plain ? PLAIN : "ALL";
    const list = Array.from({ length: keys }, (_, key) => requestText("PUT", level, valueBytes, key));
    const { failures } = await withConnections(target.port, CONNECTIONS, (all) => allRequests(all, list));
    if (failures > 0) throw new Error(`${failures} of ${keys} keys could not be written`);
  }
}

function requestText(method: "GET" | "PUT", level: string, valueBytes: number, key: number): string {
  const query = level === PLAIN ? "" : `?${method === "GET" ? "r" : "w"}=${level}`;
  const head = `${method} /v1/buckets/values-${valueBytes}/keys/key-${key}${query} HTTP/1.1\r\nHost: 127.0.0.1\r\n`;
  if (method === "GET") return `${head}\r\n`;
  return `${head}Content-Length: ${valueBytes}\r\n\r\n${"v".repeat(valueBytes)}`;
}

async function measure({ method, level, valueBytes, target }: Arm, plan: Plan): Promise<Round> {
  const { port, coordinator, others } = target;
  const next = () => requestText(method, level, valueBytes, Math.floor(Math.random() * plan.keys));
  return withConnections(port, CONNECTIONS, async (connections) => {
    const before = { client: process.cpuUsage(), coordinator: cpuMicros(coordinator), others: cpuMicros(others) };
    const { answers, failures, perSecond } = await closedLoop(connections, next, plan.roundMs);
    const { user, system } = process.cpuUsage(before.client);
    const cpu = {
      client: user + system,
      coordinator: difference(cpuMicros(coordinator), before.coordinator),
      others: difference(cpuMicros(others), before.others),
    };
    const alone = await closedLoop(connections.slice(0, 1), next, plan.aloneMs);
    return { ...cpu, answers, failures: failures + alone.failures, perSecond, aloneMicros: alone.p50Micros };
  });
}

function difference(after: number | undefined, before: number | undefined): number | undefined {
  return after === undefined || before === undefined ? undefined : after - before;
}

function resultOf(arms: readonly Arm[], plan: Plan, residentMibAfter: number | undefined): Result {
  const failures = sumOf(arms.flatMap(({ rounds }) => rounds.map((round) => round.failures))) ?? 0;
  const clientCores = arms.map(
    ({ rounds }) =>
      spreadOf(rounds.map(({ perSecond }) => perSecond)).median * ((perAnswer(rounds, "client") ?? 0) / 1e6),
  );
  const measures = ["requests/s", OF_PLAIN, "alone p50 us", "client us", "coordinator us", "others us"];
  return {
    name: "levels",
    command: "npm run bench -- levels",
    title: `Put and get at each level, ${plan.nodes} nodes that own every key, beside plain node:http`,
    columns: [
      ...["request", "level", "value", "durability"].map((name) => ({ name, isLabel: true })),
      ...measures.map((name) => ({ name })),
    ],
    rows: arms.map((arm) => rowOf(arm, arms)),
    notes: [
      `${CONNECTIONS} connections in a closed loop, all to the same coordinator; ${plan.keys} keys, uniform.`,
      `${plan.rounds} alternating rounds of ${plan.roundMs} ms; median (least - most). The ratio is of neighbouring rounds.`,
      "us are CPU per request with all threads; others: both other nodes together. alone: with one connection.",
      `The load generator takes ${Math.min(...clientCores).toFixed(2)} to ${Math.max(...clientCores).toFixed(2)} of a core, in a process of its own.`,
      ...(residentMibAfter === undefined
        ? []
        : [`The coordinator's memory after all that: ${residentMibAfter.toFixed(0)} MiB.`]),
      ...(failures === 0 ? [] : [`${failures} requests were answered with an error; they are not counted.`]),
    ],
    charted: OF_PLAIN,
    reference: PLAIN,
  };
}

function rowOf(arm: Arm, arms: readonly Arm[]): Row {
  const { method, level, durability, valueBytes, rounds } = arm;
  const plain = arms.find((each) => each.level === PLAIN && each.method === method && each.valueBytes === valueBytes);
  const rates = rounds.map(({ perSecond }) => perSecond);
  return {
    request: method,
    level,
    value: valueBytes === 1024 ? "1 KiB" : `${valueBytes} B`,
    durability,
    "requests/s": spreadOf(rates),
    [OF_PLAIN]: ratioSpread(
      rates,
      (plain?.rounds ?? []).map(({ perSecond }) => perSecond),
    ),
    "alone p50 us": spreadOf(rounds.map(({ aloneMicros }) => aloneMicros)),
    "client us": perAnswer(rounds, "client"),
    "coordinator us": perAnswer(rounds, "coordinator"),
    "others us": level === PLAIN ? undefined : perAnswer(rounds, "others"),
  };
}

/** Over all rounds together: the clock that counts CPU is coarse. */
function perAnswer(rounds: readonly Round[], who: "client" | "coordinator" | "others"): number | undefined {
  const micros = sumOf(rounds.map((round) => round[who]));
  return micros === undefined ? undefined : micros / (sumOf(rounds.map(({ answers }) => answers)) ?? Number.NaN);
}

function sumOf(values: readonly (number | undefined)[]): number | undefined {
  let sum = 0;
  for (const value of values) {
    if (value === undefined) return undefined;
    sum += value;
  }
  return sum;
}
