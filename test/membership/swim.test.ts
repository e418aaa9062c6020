/** Failure detection among few nodes on virtual time: found out together, and for each what answers it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Flock, type FlockOptions } from "../../bench/flock.js";
import { NO_BYTES } from "../../src/base/bytes.js";
import { DEFAULT_LIMITS } from "../../src/config.js";
import type { MemberStatus } from "../../src/membership/members.js";

function flockOf(options: Partial<FlockOptions> = {}): Flock {
  const flock = new Flock({ nodes: 5, seed: "swim", ...options });
  for (const id of flock.ids) flock.start(id);
  assert.ok(flock.runUntil(() => flock.isWhole(), 10_000) !== undefined);
  flock.run(2000);
  return flock;
}

const statusAt = (flock: Flock, at: string, of: string) => flock.of(at).peers.statusOf(of);
const isAliveAt = (flock: Flock, at: string, of: string) => flock.of(at).peers.isAlive(of);
const allSay = (flock: Flock, of: string, status: MemberStatus) =>
  flock.living.every((at) => at === of || statusAt(flock, at, of) === status);

for (const nodes of [3, 5, 25]) {
  test(`of ${nodes} nodes, one that crashes is suspected, then dead for all, and alive for all when it returns`, () => {
    const flock = flockOf({ nodes });
    flock.crash("n2");
    const suspectedMs = flock.runUntil(() => flock.living.some((at) => statusAt(flock, at, "n2") === "suspect"), 5000);
    assert.ok(suspectedMs !== undefined && suspectedMs <= 2000, `${suspectedMs}`);
    assert.ok(flock.runUntil(() => allSay(flock, "n2", "dead"), 20_000) !== undefined);
    assert.ok(flock.living.every((at) => !isAliveAt(flock, at, "n2")));
    flock.run(5000);
    flock.start("n2");
    const backMs = flock.runUntil(() => flock.isWhole(), 10_000);
    assert.ok(backMs !== undefined && backMs <= 3000, `${backMs}`);
  });
}

test("who helps to probe waits no longer than any prober would, whatever it is asked", () => {
  const flock = flockOf({ nodes: 3 });
  flock.network.cut("n2", "n3");
  const { pingIntervalMs, awarenessFactorMax } = DEFAULT_LIMITS;
  const request = { kind: "ping-request", target: "n3", timeoutMs: 2 ** 32 - 1, gossip: NO_BYTES } as const;
  const replies: boolean[] = [];
  flock.of("n2").peers.onPingRequest("n1", request, ({ reached }) => replies.push(reached));
  flock.run(pingIntervalMs * (1 + awarenessFactorMax));
  assert.deepEqual(replies, [false]);
});

test("a small cluster notices a death within two seconds, as when each pinged each", () => {
  for (let round = 0; round < 20; round++) {
    const flock = flockOf({ seed: `small ${round}`, nodes: 3 + (round % 3) });
    flock.run(37 * round);
    flock.crash("n1");
    const noticedMs = flock.runUntil(() => flock.living.every((at) => !isAliveAt(flock, at, "n1")), 5000);
    assert.ok(noticedMs !== undefined && noticedMs <= 1850, `seed ${round}: ${noticedMs} ms`);
  }
});

test("of a path that is cut one way, who is not answered plans without the peer, which stays alive for all", () => {
  const flock = flockOf();
  flock.network.cut("n1", "n2");
  assert.ok(flock.runUntil(() => !isAliveAt(flock, "n1", "n2"), 2000) !== undefined);
  flock.run(30_000);
  assert.ok(!isAliveAt(flock, "n1", "n2"));
  assert.ok(allSay(flock, "n2", "alive") && allSay(flock, "n1", "alive"));
  for (const at of ["n3", "n4", "n5"]) assert.ok(isAliveAt(flock, at, "n2") && isAliveAt(flock, at, "n1"));
  assert.ok(flock.sum("murmur_indirect_probes_helped_total") > 0);
  assert.equal(flock.sum("murmur_suspicions_total"), 0);
  flock.network.heal();
  assert.ok(flock.runUntil(() => isAliveAt(flock, "n1", "n2"), 1000) !== undefined);
});

test("halves that are cut apart take each other for dead, and after the heal all refute", () => {
  const flock = flockOf({ nodes: 6 });
  flock.network.partition([
    ["n1", "n2", "n3"],
    ["n4", "n5", "n6"],
  ]);
  assert.ok(
    flock.runUntil(() => statusAt(flock, "n1", "n6") === "dead" && statusAt(flock, "n6", "n1") === "dead", 60_000),
  );
  flock.network.heal();
  assert.ok(flock.runUntil(() => flock.isWhole(), 5000) !== undefined);
  assert.ok(flock.sum("murmur_refutations_total") >= 6);
});

test("a node that hears nothing for a while distrusts itself first: nobody dies of it", () => {
  const flock = flockOf({ nodes: 10 });
  flock.stall("n1", true);
  flock.run(2500);
  flock.stall("n1", false);
  flock.run(20_000);
  assert.equal(flock.sum("murmur_members_dead_total"), 0);
  assert.ok(flock.isWhole());
});

test("with a tenth of all packets lost, nobody is taken for dead", () => {
  const flock = flockOf({ nodes: 10, weather: { lossRate: 0.1 } });
  flock.run(60_000);
  assert.equal(flock.sum("murmur_members_dead_total"), 0);
  assert.equal(flock.sum("murmur_peers_lost_total"), 0);
});

test("where a peer votes is as it told itself, until others have heard that this is over", () => {
  const flock = flockOf({ nodes: 3 });
  const { peers } = flock.of("n1");
  assert.deepEqual(peers.votesToldBy("n2"), []);
  flock.network.partition([["n1"], ["n2"]]);
  flock.rebuilding.add("n2");
  assert.ok(flock.runUntil(() => peers.votesOf("n2") === undefined, 2000) !== undefined);
  assert.ok(peers.isAlive("n2"), "n1 believes the silent n2 no more in any case");
  assert.equal(peers.votesToldBy("n2"), undefined);
  flock.network.heal();
  flock.run(2000);
  assert.deepEqual(peers.votesToldBy("n2"), [Buffer.of(0)]);
});

test("what a node sends does not grow with the cluster", () => {
  const bytesPerSecond = [10, 40].map((nodes) => {
    const flock = flockOf({ nodes });
    flock.run(60_000);
    const before = flock.sentBytes;
    flock.run(10_000);
    return (flock.sentBytes - before) / nodes / 10;
  });
  const [few, many] = bytesPerSecond as [number, number];
  assert.ok(many < few * 1.25, `${few} and ${many} bytes a second`);
});

test("a run is a function of its seed", () => {
  const sent = [1, 2].map(() => {
    const flock = flockOf({ nodes: 8, seed: "again", weather: { lossRate: 0.2 } });
    flock.run(5000);
    return [flock.sentBytes, flock.network.statistics.delivered];
  });
  assert.deepEqual(sent[0], sent[1]);
});
