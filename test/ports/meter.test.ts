import assert from "node:assert/strict";
import { test } from "node:test";
import type { Labels } from "../../src/ports.js";
import { PromMeter } from "../../src/real/meter.js";
import { SimMeter } from "../../src/sim/meter.js";
import { meterSuite } from "./meter.suite.js";

meterSuite({
  name: "real",
  open: () => {
    const meter = new PromMeter();
    return { meter, read: async (name, labels) => scraped(await meter.text(), name, labels) };
  },
});

meterSuite({
  name: "simulated",
  open: () => {
    const meter = new SimMeter();
    return { meter, read: async (name, labels) => meter.value(name, labels) };
  },
});

/** The value of a series in the text format, or of its count when it is a histogram. */
function scraped(text: string, name: string, labels: Labels = {}): number {
  const escaped = (value: string): string =>
    value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${escaped(value)}"`);
  const suffix = pairs.length === 0 ? " " : `{${pairs.join(",")}} `;
  const lines = text.split("\n");
  const line = lines.find((one) => one.startsWith(name + suffix) || one.startsWith(`${name}_count${suffix}`));
  return Number(line?.split(" ").at(-1));
}

test("real: a histogram's buckets are cumulative, in seconds, from a quarter of a millisecond", async () => {
  const meter = new PromMeter();
  for (const durationMs of [0.2, 0.25, 0.26, 40, 60_000]) meter.time("murmur_request_seconds", durationMs);
  const text = await meter.text();
  const bucket = (le: string): string | undefined =>
    /(\d+)$/m.exec(
      text.split("\n").find((line) => line.startsWith(`murmur_request_seconds_bucket{le="${le}"}`)) ?? "",
    )?.[0];
  assert.deepEqual(["0.00025", "0.0005", "0.025", "0.05", "30", "+Inf"].map(bucket), ["2", "3", "3", "4", "4", "5"]);
  assert.match(text, /^murmur_request_seconds_sum 60\.04071$/m);
  assert.match(text, /^murmur_request_seconds_count 5$/m);
});

test("real: every fixed name is there before its first use, and so is the process", async () => {
  const text = await new PromMeter().text();
  for (const line of [
    "# TYPE murmur_reads_total counter",
    "# TYPE murmur_writes_total counter",
    "# TYPE murmur_hedges_total counter",
    "# TYPE murmur_mends_total counter",
    "# TYPE murmur_hints_pending gauge",
    "# TYPE murmur_request_seconds histogram",
    "# TYPE murmur_peer_seconds histogram",
    "# TYPE murmur_register_overwrites_total counter",
    "# TYPE process_resident_memory_bytes gauge",
    "# TYPE nodejs_eventloop_lag_seconds gauge",
  ]) {
    assert.ok(text.includes(`${line}\n`), line);
  }
});

test("real: two nodes of one process count apart", async () => {
  const [one, other] = [new PromMeter(), new PromMeter()];
  one.count("murmur_mends_total");
  assert.equal(scraped(await one.text(), "murmur_mends_total"), 1);
  assert.ok(Number.isNaN(scraped(await other.text(), "murmur_mends_total")));
});

test("real: what could not be scraped is a programmer's error", () => {
  const meter = new PromMeter();
  meter.count("murmur_reads_total", { level: "ONE", result: "ok" });
  assert.throws(() => meter.gauge("murmur_reads_total", 1), /is a counter, not a gauge/);
  assert.throws(
    () => meter.count("murmur_reads_total", { level: "TWO" }),
    /has the labels level, result and no others/,
  );
  assert.throws(() => meter.count("murmur_reads_total", { level: "TWO", result: "ok", key: "a" }), /no others/);
  assert.throws(() => {
    for (let key = 0; key <= 10_000; key++) meter.count("murmur_odd_total", { key: String(key) });
  }, /not a closed set/);
});
