/** What nodes counted is found in their text, whatever else stands there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { between, countsOf, extraReadsPercent, summed } from "../../src/load/scrape.js";

const TEXT = `# HELP murmur_reads_total Reads that this node coordinated, by level and result.
# TYPE murmur_reads_total counter
murmur_reads_total{level="QUORUM",result="ok"} 900
murmur_reads_total{level="ONE",result="not-found"} 100
murmur_hedges_total{outcome="sent"} 30
murmur_hedges_total{outcome="won"} 20
murmur_hedges_total{outcome="wasted"} 5
murmur_peer_seconds_bucket{le="0.001"} 3
nodejs_version_info{version="v20.1.0",major="20"} 1
`;

test("reads and hedges of all nodes are summed over their labels", () => {
  const { reads, hedges } = countsOf(TEXT + TEXT);
  assert.equal(reads, 2000);
  assert.deepEqual(Object.fromEntries(hedges), { sent: 60, won: 40, wasted: 10, refused: 0 });
});

test("the difference of two scrapes is what came between, in percent of the reads", () => {
  const [one, two] = [countsOf(TEXT), countsOf(TEXT + TEXT)];
  const came = between(one, two);
  assert.deepEqual(came, one);
  assert.equal(extraReadsPercent(came), 3);
  assert.deepEqual(summed([came, came]), two);
  assert.equal(extraReadsPercent(countsOf("")), 0);
});
