/**
 * What every Meter must do. The body tells how to read a series back; of a timed name, how often it was timed.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Labels, Meter } from "../../src/ports.js";

export interface MeterBody {
  readonly name: string;
  open(): { readonly meter: Meter; read(name: string, labels?: Labels): Promise<number> };
}

export function meterSuite(body: MeterBody): void {
  describe(`the port Meter, ${body.name}`, () => {
    test("a counter adds up, by one unless told otherwise", async () => {
      const { meter, read } = body.open();
      meter.count("murmur_mends_total");
      meter.count("murmur_mends_total", undefined, 41);
      meter.count("murmur_mends_total", {}, 0.5);
      assert.equal(await read("murmur_mends_total"), 42.5);
    });

    test("each set of labels is a series of its own, in whatever order it is written", async () => {
      const { meter, read } = body.open();
      meter.count("murmur_reads_total", { level: "ONE", result: "ok" });
      meter.count("murmur_reads_total", { result: "ok", level: "ONE" });
      meter.count("murmur_reads_total", { level: "ok", result: "ONE" });
      assert.equal(await read("murmur_reads_total", { level: "ONE", result: "ok" }), 2);
      assert.equal(await read("murmur_reads_total", { level: "ok", result: "ONE" }), 1);
    });

    test("a gauge is what it was set to last", async () => {
      const { meter, read } = body.open();
      for (const value of [3, -1.5, 7]) meter.gauge("murmur_hints_pending", value);
      assert.equal(await read("murmur_hints_pending"), 7);
    });

    test("durations are counted", async () => {
      const { meter, read } = body.open();
      for (const durationMs of [0, 0.1, 3, 100_000]) meter.time("murmur_peer_seconds", durationMs, { peer: "n2" });
      assert.equal(await read("murmur_peer_seconds", { peer: "n2" }), 4);
    });

    test("a name that nobody announced is taken too", async () => {
      const { meter, read } = body.open();
      meter.count("murmur_odd_events_total", { cause: 'a "quoted"\\\n one' });
      assert.equal(await read("murmur_odd_events_total", { cause: 'a "quoted"\\\n one' }), 1);
    });
  });
}
