import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import type { Limits } from "../../src/config.js";
import type { NodeId } from "../../src/ports.js";
import { TcpTransport } from "../../src/real/transport.js";
import { SimMeter } from "../../src/sim/meter.js";
import { simulatedFleet } from "./sim-fleet.js";
import {
  close,
  closeAll,
  cluster,
  connected,
  exchange,
  HOST,
  isConnected,
  listen,
  type Member,
  options,
  TEST_LIMITS,
  wire,
} from "./tcp.js";
import { type Fleet, transportSuite } from "./transport.suite.js";
import { until } from "./until.js";

function boundsOf({ peerQueueBytesMax, controlQueueBytesMax }: Limits): Partial<Limits> {
  return { peerQueueBytesMax, controlQueueBytesMax };
}

async function realFleet(ids: readonly NodeId[], limits: Limits): Promise<Fleet> {
  const transports = new Map<NodeId, TcpTransport>();
  const ports = new Map<NodeId, number>();
  const start = (id: NodeId): Promise<void> =>
    new Promise((resolve, reject) => {
      const transport = TcpTransport.listen(
        options(id, { port: ports.get(id) ?? 0, limits: { ...TEST_LIMITS, ...boundsOf(limits) } }),
        (error) => {
          if (error !== undefined) return reject(error);
          ports.set(id, transport.port);
          resolve();
        },
      );
      transports.set(id, transport);
    });
  const connect = async (): Promise<void> => {
    for (const transport of transports.values()) {
      transport.setPeers(ids.map((id) => ({ id, host: HOST, port: ports.get(id) as number })));
    }
    const all = [...transports.values()];
    await until(() => all.every((transport) => [...transport.statistics().peersConnected.values()].every(Boolean)));
  };
  const stop = (transport: TcpTransport): Promise<void> => new Promise((resolve) => transport.close(resolve));
  await Promise.all(ids.map(start));
  await connect();
  return {
    transport: (id) => transports.get(id) as TcpTransport,
    until,
    crash: async (id) => {
      await stop(transports.get(id) as TcpTransport);
      transports.delete(id);
      const others = [...transports.values()];
      await until(() => others.every((transport) => transport.statistics().peersConnected.get(id) === false));
    },
    restart: async (id) => {
      await start(id);
      await connect();
    },
    close: async () => void (await Promise.all([...transports.values()].map(stop))),
  };
}

afterEach(closeAll);

transportSuite({ name: "real", open: realFleet });
transportSuite({ name: "simulated", open: (ids, limits) => simulatedFleet(ids, limits) });

describe("the transport over TCP", () => {
  test("frames of many turns in one round of the loop are one write and one input", async () => {
    const [one, two] = (await cluster(["n1", "n2"])) as [Member, Member];
    for (let turn = 0; turn < 100; turn++) {
      one.transport.send("n2", Buffer.from(`turn ${turn}`));
      one.transport.release();
    }
    await until(() => two.received.length > 0);
    assert.equal(two.received.length, 1);
    assert.equal(two.received[0]?.frames.length, 100);
    const { framesSent, bytesSent } = one.transport.statistics();
    const { framesReceived, bytesReceived } = two.transport.statistics();
    assert.deepEqual([framesReceived, bytesReceived], [framesSent, bytesSent]);
  });

  test("what is sent is counted by the datacenter that it goes to", async () => {
    const meter = new SimMeter();
    const [near, far] = [await listen("n2"), await listen("n3")];
    const one = await listen("n1", { meter });
    const at = (peer: Member, datacenter: string) => ({ id: peer.id, host: "127.0.0.1", port: peer.port, datacenter });
    one.transport.setPeers([at(near, "dc1"), at(far, "dc2")]);
    for (const peer of [near, far]) peer.transport.setPeers([at(one, "dc1")]);
    await until(() => isConnected(one, "n2") && isConnected(one, "n3"));
    one.transport.send("n2", Buffer.alloc(100));
    one.transport.send("n3", Buffer.alloc(1000));
    one.transport.release();
    await until(() => near.received.length + far.received.length === 2);
    const sentTo = (datacenter: string) => meter.value("murmur_sent_bytes_total", { datacenter });
    assert.ok(sentTo("dc1") > 100 && sentTo("dc1") < 200, `${sentTo("dc1")}`);
    assert.ok(sentTo("dc2") > 1000 && sentTo("dc2") < 1100, `${sentTo("dc2")}`);
    assert.equal(one.transport.statistics().bytesSent, sentTo("dc1") + sentTo("dc2"));
  });

  test("a full queue drops, and what was queued still arrives", async () => {
    const limits = { ...TEST_LIMITS, peerQueueBytesMax: 1_000_000 };
    const [one, two] = (await cluster(["n1", "n2"], { limits })) as [Member, Member];
    for (let frame = 0; frame < 100; frame++) one.transport.send("n2", Buffer.alloc(100_000, frame));
    one.transport.release();
    assert.equal(one.transport.statistics().framesDropped, 91);
    await until(() => two.transport.statistics().framesReceived === 9);
    await exchange(one, two);
  });

  test("what says who lives overtakes megabytes that wait for a full line", async () => {
    const [one, two] = (await cluster(["n1", "n2"])) as [Member, Member];
    for (let frame = 0; frame < 200; frame++) one.transport.send("n2", Buffer.alloc(100_000, 1), "bulk");
    one.transport.release();
    // The first write fills the socket; only what is not handed to it yet can be overtaken.
    await until(() => one.transport.statistics().framesSent > 0);
    one.transport.send("n2", Buffer.from("alive"), "control");
    one.transport.release();
    await until(() => two.transport.statistics().framesReceived === 201);
    const frames = two.received.flatMap((input) => input.frames);
    assert.ok(frames.findIndex(({ length }) => length === 5) < 100, "it came among the last");
  });

  test("a lane that is full is counted by its name", async () => {
    const limits = { ...TEST_LIMITS, peerQueueBytesMax: 1_000_000 };
    const meter = new SimMeter();
    const [one] = (await cluster(["n1", "n2"], { limits, meter })) as [Member, Member];
    for (let frame = 0; frame < 20; frame++) one.transport.send("n2", Buffer.alloc(100_000), "bulk");
    assert.equal(meter.sum("murmur_frames_dropped_total", { lane: "bulk" }), 11);
    assert.equal(meter.sum("murmur_frames_dropped_total", { lane: "small" }), 0);
  });

  test("a frame beyond the limit is dropped by its sender, and the connection lives", async () => {
    const limits = { ...TEST_LIMITS, frameBytesMax: 10_000 };
    const [one, two] = (await cluster(["n1", "n2"], { limits })) as [Member, Member];
    one.transport.send("n2", new Uint8Array(10_001));
    one.transport.release();
    await exchange(one, two);
    assert.equal(one.transport.statistics().framesDropped, 1);
    assert.equal(two.transport.statistics().connectionsMalformed, 0);
  });

  test("what was queued for a process is not kept for its successor", async () => {
    const [one, two] = (await cluster(["n1", "n2"])) as [Member, Member];
    one.transport.send("n2", Buffer.from("for the former"));
    await close(two);
    await until(() => !isConnected(one, "n2"));
    assert.equal(one.transport.statistics().framesDropped, 1);
    const successor = await listen("n2");
    wire([one, successor]);
    await connected([one, successor]);
    await exchange(one, successor);
    assert.equal(successor.transport.statistics().framesReceived, 1);
  });

  test("a peer that is back and asks is answered at once, however long the next dial would wait", async () => {
    const limits = { ...TEST_LIMITS, dialRetryMsMin: 60_000, dialRetryMsMax: 60_000 };
    const [one, two] = (await cluster(["n1", "n2"], { limits })) as [Member, Member];
    await close(two);
    await until(() => !isConnected(one, "n2"));
    const back = await listen("n2", { port: two.port, limits });
    back.transport.setPeers([{ id: "n1", host: HOST, port: one.port }]);
    await until(() => isConnected(back, "n1"));
    await exchange(back, one);
    await exchange(one, back);
    assert.equal(one.transport.statistics().framesDropped, 0);
  });

  test("a port in use is an error that names it and the remedy", async () => {
    const holder = await listen("n1");
    await assert.rejects(listen("n2", { port: holder.port }), (error: Error) => {
      assert.match(error.message, new RegExp(`node n2 .* ${HOST}:${holder.port}: the port is in use`));
      assert.match(error.message, /Stop the process|another "peer" port/);
      return true;
    });
  });

  test("one that could not listen closes like any other", async () => {
    const holder = await listen("n1");
    await new Promise<void>((resolve) => {
      const failed = TcpTransport.listen(options("n2", { port: holder.port }), (error) => {
        assert.ok(error !== undefined);
        failed.close(resolve);
      });
    });
  });

  test("an address this machine does not have is an error that names it", async () => {
    await assert.rejects(
      listen("n1", { bind: "192.0.2.1" }),
      /192\.0\.2\.1:0: this machine has no such address.*"bind"/,
    );
  });

  test("a member that moves is found at its new place, and one that left is let go", async () => {
    const [one, two, three] = (await cluster(["n1", "n2", "n3"])) as [Member, Member, Member];
    await close(two);
    const moved = await listen("n2");
    wire([one, moved]);
    await connected([one, moved]);
    await exchange(one, moved);
    assert.deepEqual([...one.transport.statistics().peersConnected.keys()], ["n2"]);
    await until(() => !isConnected(three, "n1"));
  });
});
