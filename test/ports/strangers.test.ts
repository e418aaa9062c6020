/** Whoever is not a member, or not the member it claims to be, at the door of real nodes. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { afterEach, describe, test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { packFrames } from "../../src/real/frames.js";
import { newInstance } from "../../src/real/handshake.js";
import { SimRandom } from "../../src/sim/random.js";
import { introduce, knock, partyOf } from "../../torture/hostile-peer.js";
import {
  close,
  closeAll,
  cluster,
  exchange,
  FACTS,
  HOST,
  isConnected,
  listen,
  type Member,
  TEST_LIMITS,
  wire,
} from "./tcp.js";
import { until } from "./until.js";

const random = new SimRandom("strangers");
afterEach(closeAll);

/** Says `bytes` and waits until the node closes the connection. */
async function shownTheDoor(port: number, bytes: Uint8Array): Promise<void> {
  const socket = await knock(port);
  socket.resume();
  socket.write(bytes);
  await once(socket, "close");
}

/** A connection that proved to be `id` and then says no more than it is told to. */
function silentMember(id: string, to: Member, instance = newInstance(random)): Promise<Socket> {
  return introduce(partyOf(id, instance, FACTS, undefined), to.id, to.port, random);
}

describe("garbage at the door", () => {
  const frame = Buffer.concat(packFrames([utf8("hello?")]));
  const claimsMuch = Buffer.from(frame);
  claimsMuch.writeUInt32BE(0xffffffff, 4);
  const damaged = Buffer.from(frame);
  damaged[frame.length - 1] = 0;
  const garbage: ReadonlyArray<readonly [string, Buffer]> = [
    ["random bytes", Buffer.from(Array.from({ length: 500 }, () => random.u32() & 255))],
    ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")],
    ["a huge claimed length", claimsMuch],
    ["a wrong checksum", damaged],
    ["a frame that is no hello", frame],
    ["a pulse", Buffer.concat(packFrames([new Uint8Array(0)]))],
  ];

  test("closes that connection only, whatever it is", async () => {
    const [one, two] = (await cluster(["n1", "n2"])) as [Member, Member];
    for (const [index, [, bytes]] of garbage.entries()) {
      await shownTheDoor(one.port, bytes);
      await until(() => one.transport.statistics().connectionsMalformed === index + 1);
      await exchange(two, one);
      await exchange(one, two);
    }
    assert.ok(one.warnings.length > 0 && one.warnings.length < garbage.length, "logged, but not every time");
    assert.match(one.warnings[0]?.sentence ?? "", /did not speak as a node/);
  });

  test("from a proven member closes its connection only", async () => {
    const [one, two, three] = (await cluster(["n1", "n2", "n3"])) as [Member, Member, Member];
    await close(three);
    await until(() => !isConnected(one, "n3"));
    const socket = await silentMember("n3", one);
    socket.write(damaged);
    await once(socket, "close");
    assert.equal(one.transport.statistics().connectionsMalformed, 1);
    await exchange(two, one);
  });

  test("a truncated frame and then silence is dropped at the deadline", async () => {
    const one = await listen("n1", { limits: { ...TEST_LIMITS, handshakeDeadlineMs: 30 } });
    for (const bytes of [Buffer.alloc(0), frame.subarray(0, 5), frame.subarray(0, frame.length - 1)]) {
      await shownTheDoor(one.port, bytes);
    }
  });

  test("many idle strangers do not keep a member out", async () => {
    const limits = { ...TEST_LIMITS, handshakesPendingMax: 4, handshakeDeadlineMs: 60_000 };
    const [one, two] = [await listen("n1", { limits }), await listen("n2", { limits })];
    const strangers = await Promise.all(Array.from({ length: 12 }, () => knock(one.port)));
    let left = strangers.length;
    for (const socket of strangers) socket.resume().on("close", () => left--);
    await until(() => left === 4);
    wire([one, two]);
    await until(() => isConnected(two, "n1"));
    await exchange(two, one);
    for (const socket of strangers) socket.destroy();
  });
});

describe("a node at another's door", () => {
  const mistakes = [
    {
      field: "cluster",
      changes: { facts: FACTS.map((fact) => (fact[0] === "cluster" ? (["cluster", "x"] as const) : fact)) },
    },
    {
      field: "layout",
      changes: { facts: FACTS.map((fact) => (fact[0] === "layout" ? (["layout", "x"] as const) : fact)) },
    },
    { field: "partitions", changes: { facts: FACTS.filter(([field]) => field !== "partitions") } },
    { field: "secret", changes: { secret: utf8("a guess") } },
    { field: "secret", changes: {} },
  ];

  for (const [index, { field, changes }] of mistakes.entries()) {
    test(`with a wrong ${field} (${index}) is named on both sides and gives up; the members go on`, async () => {
      const secret = field === "secret" ? utf8("the secret of the cluster") : undefined;
      const [one, two] = (await cluster(["n1", "n2"], { secret })) as [Member, Member];
      const newcomer = await listen("n3", changes);
      wire([one, two, newcomer]);
      await until(() => newcomer.verdicts.length > 0 && one.warnedOf(field) !== undefined);
      assert.equal(newcomer.verdicts[0]?.field, field);
      const [here, there] = [newcomer.warnedOf(field)?.facts, one.warnedOf(field)?.facts];
      assert.ok(here !== undefined && there !== undefined);
      assert.equal(there.peer, "n3");
      await exchange(one, two);
      assert.deepEqual([one.verdicts, two.verdicts], [[], []]);
      assert.ok(!isConnected(newcomer, "n1") && !isConnected(one, "n3"));
    });
  }

  test("with an id that is taken is refused and gives up; the owner of the id goes on", async () => {
    const limits = { ...TEST_LIMITS, peerSilenceMsMax: 100, pingIntervalMs: 50 };
    const [one, two] = (await cluster(["n1", "n2"], { limits })) as [Member, Member];
    const double = await listen("n2", { limits });
    double.transport.setPeers([{ id: "n1", host: HOST, port: one.port }]);
    await until(() => double.verdicts.length > 0);
    assert.equal(double.verdicts[0]?.field, "node id");
    assert.equal(one.warnedOf("node id")?.facts.peer, "n2");
    await exchange(two, one);
    assert.deepEqual([one.verdicts, two.verdicts], [[], []]);
  });

  test("that is not a member is refused by its id", async () => {
    const [one] = (await cluster(["n1", "n2"])) as [Member, Member];
    const foreigner = await listen("n9", { limits: { ...TEST_LIMITS, peerSilenceMsMax: 100, pingIntervalMs: 50 } });
    foreigner.transport.setPeers([{ id: "n1", host: HOST, port: one.port }]);
    await until(() => foreigner.verdicts.length > 0);
    assert.deepEqual(foreigner.verdicts[0], { peer: "n1", field: "node id", ours: "n9", theirs: "one of n2" });
  });

  test("dialled by mistake is told apart by its id", async () => {
    const [one, two] = (await cluster(["n1", "n2"])) as [Member, Member];
    one.transport.setPeers([
      { id: "n2", host: HOST, port: two.port },
      { id: "n3", host: HOST, port: two.port },
    ]);
    await until(() => one.warnedOf("node id") !== undefined && two.warnedOf("node id") !== undefined);
    assert.equal(one.warnedOf("node id")?.sentence, 'no connection with n3: node id is "n3" here and "n2" there');
    assert.deepEqual(one.verdicts, []);
    await exchange(one, two);
  });

  test("killed and started again comes in although its old connection never closed", async () => {
    const limits = { ...TEST_LIMITS, peerSilenceMsMax: 60, pingIntervalMs: 20, handshakeVerdictMs: 5000 };
    const [one, two] = [await listen("n1", { limits }), await listen("n2", { limits })];
    one.transport.setPeers([{ id: "n2", host: HOST, port: two.port }]);
    const stale = await silentMember("n2", one);
    two.transport.setPeers([{ id: "n1", host: HOST, port: one.port }]);
    await until(() => isConnected(two, "n1"));
    assert.ok(one.warnedOf("node id") !== undefined, "it was refused while the old one might have lived");
    await exchange(two, one);
    assert.deepEqual(two.verdicts, []);
    stale.destroy();
  });

  test("that vanishes without a word is noticed, and found again", async () => {
    const limits = { ...TEST_LIMITS, peerSilenceMsMax: 60, pingIntervalMs: 20 };
    const [one, two] = [await listen("n1", { limits }), await listen("n2", { limits })];
    // A wire that can be made to swallow everything without closing.
    let isDead = false;
    const proxy = createServer((near) => {
      const far = connect(two.port, HOST);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.on("data", (chunk) => isDead || to.write(chunk));
        from.on("error", () => {}).on("close", () => to.destroy());
      }
    });
    proxy.listen(0, HOST).unref();
    await once(proxy, "listening");
    const address = proxy.address();
    assert.ok(address !== null && typeof address === "object");
    two.transport.setPeers([{ id: "n1", host: HOST, port: one.port }]);
    one.transport.setPeers([{ id: "n2", host: HOST, port: address.port }]);
    await until(() => isConnected(one, "n2"));
    isDead = true;
    await until(() => !isConnected(one, "n2"));
    isDead = false;
    await until(() => isConnected(one, "n2"));
    await exchange(one, two);
  });
});
