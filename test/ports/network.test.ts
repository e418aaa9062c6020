import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { NodeId, Transport } from "../../src/ports.js";
import { SimClock } from "../../src/sim/clock.js";
import { SimRandom } from "../../src/sim/random.js";
import { CALM, SimNetwork, type Weather } from "../../src/sim/transport.js";

interface World {
  readonly clock: SimClock;
  readonly network: SimNetwork;
  readonly ports: ReadonlyMap<NodeId, Transport>;
  /** What arrived, in order: `time from>to text,text`. */
  readonly trace: string[];
  send(from: NodeId, to: NodeId, ...texts: string[]): void;
  attach(id: NodeId): void;
  /** Texts that arrived at `to`, in order. */
  heard(to: NodeId): string[];
}

function world(weather: Partial<Weather> = {}, seed: number | string = 1): World {
  const clock = new SimClock();
  const network = new SimNetwork(clock, new SimRandom(seed));
  network.weather = { ...CALM, ...weather };
  const ports = new Map<NodeId, Transport>();
  const trace: string[] = [];
  const inputs: Array<{ to: NodeId; texts: string[] }> = [];
  const attach = (id: NodeId): void => {
    const port = network.port(id);
    ports.set(id, port);
    port.onReceive((from, frames) => {
      const texts = frames.map((frame) => Buffer.from(frame).toString());
      trace.push(`${clock.nowMs()} ${from}>${id} ${texts}`);
      inputs.push({ to: id, texts });
    });
  };
  for (const id of ["n1", "n2", "n3"]) attach(id);
  const send = (from: NodeId, to: NodeId, ...texts: string[]): void => {
    for (const text of texts) ports.get(from)?.send(to, Buffer.from(text));
    ports.get(from)?.release();
  };
  const heard = (to: NodeId): string[] => inputs.filter((input) => input.to === to).flatMap(({ texts }) => texts);
  return { clock, network, ports, trace, send, attach, heard };
}

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${index}`);
}

describe("the simulated network", () => {
  test("one seed is one history, to the last delivery; another seed is another", () => {
    const history = (seed: number): string[] => {
      const { clock, send, trace } = world({ lossRate: 0.1, duplicateRate: 0.2 }, seed);
      for (const text of numbers(200)) send("n1", "n2", `${text}a`, `${text}b`, `${text}c`);
      clock.runUntil(100);
      return trace;
    };
    assert.deepEqual(history(1), history(1));
    assert.notDeepEqual(history(1), history(2));
  });

  test("loss, repetition and reordering happen as often as the weather says", () => {
    const { clock, network, send, heard } = world({ lossRate: 0.2, duplicateRate: 0.3, togetherRate: 0 });
    send("n1", "n2", ...numbers(10_000));
    clock.runUntil(100);
    const { sent, delivered, duplicated, lost } = network.statistics;
    assert.equal(sent, 10_000);
    assert.equal(delivered, sent - lost + duplicated);
    assert.ok(Math.abs(lost / sent - 0.2) < 0.02);
    assert.ok(Math.abs(duplicated / (sent - lost) - 0.3) < 0.02);
    const order = heard("n2").map(Number);
    assert.ok(order.some((value, index) => index > 0 && value < (order[index - 1] as number)));
  });

  test("frames of one turn travel in packets of chance size", () => {
    const { clock, send, trace } = world();
    send("n1", "n2", ...numbers(1000));
    clock.runUntil(10);
    assert.ok(trace.length > 300 && trace.length < 700, `${trace.length} packets`);
  });

  test("a cut is one way, takes what is on its way, and heals", () => {
    const { clock, network, send, heard } = world();
    send("n1", "n2", "on its way");
    network.cut("n1", "n2");
    send("n1", "n2", "cut");
    send("n2", "n1", "other way");
    clock.runUntil(10);
    assert.equal(heard("n2").length, 0);
    assert.deepEqual(heard("n1"), ["other way"]);
    network.heal();
    send("n1", "n2", "healed");
    clock.runUntil(20);
    assert.deepEqual(heard("n2"), ["healed"]);
  });

  test("a partition separates groups, and only them", () => {
    const { clock, network, send, heard } = world();
    network.partition([["n1"], ["n2"]]);
    for (const from of ["n1", "n2", "n3"]) {
      for (const to of ["n1", "n2", "n3"]) if (from !== to) send(from, to, `${from}>${to}`);
    }
    clock.runUntil(10);
    const all = ["n1", "n2", "n3"].flatMap(heard).sort();
    assert.deepEqual(all, ["n1>n3", "n2>n3", "n3>n1", "n3>n2"]);
  });

  test("a slow node is slow in both directions", () => {
    const { clock, network, send, heard } = world({ delayMsMin: 1, delayMsMax: 1 });
    network.slow("n2", 100);
    send("n1", "n2", "to");
    send("n2", "n1", "from");
    send("n1", "n3", "beside");
    clock.runUntil(99);
    assert.deepEqual([heard("n1"), heard("n2"), heard("n3")], [[], [], ["beside"]]);
    clock.runUntil(100);
    assert.deepEqual([heard("n1"), heard("n2")], [["from"], ["to"]]);
  });

  test("a crash loses what is on its way to the node and from it", () => {
    const { clock, network, send, attach, heard } = world();
    send("n1", "n2", "to the dead");
    send("n2", "n1", "from the dead");
    network.detach("n2");
    attach("n2");
    clock.runUntil(10);
    assert.deepEqual([heard("n1"), heard("n2")], [[], []]);
    send("n2", "n1", "last words");
    network.detach("n2", true);
    clock.runUntil(20);
    assert.deepEqual(heard("n1"), ["last words"]);
  });

  test("a dead process may call its port; nothing leaves", () => {
    const { clock, network, send, ports, attach, heard } = world();
    const dead = ports.get("n2") as Transport;
    dead.send("n1", Buffer.from("queued"));
    network.detach("n2");
    dead.send("n1", Buffer.from("from beyond"));
    dead.release();
    attach("n2");
    send("n2", "n1", "alive");
    clock.runUntil(10);
    assert.deepEqual(heard("n1"), ["alive"]);
  });

  test("a paused node reads later what arrived meanwhile", () => {
    const { clock, network, send, heard } = world({ togetherRate: 1 });
    network.pause("n2");
    send("n1", "n2", "one", "two");
    clock.runUntil(50);
    send("n1", "n2", "three");
    clock.runUntil(100);
    assert.equal(heard("n2").length, 0);
    network.resume("n2");
    assert.equal(heard("n2").length, 0, "resuming is not an input of the node");
    clock.runUntil(100);
    assert.deepEqual(heard("n2"), ["one", "two", "three"]);
  });

  test("nodes share no memory, even of a repeated frame", () => {
    const { clock, network, ports } = world({ duplicateRate: 1 });
    network.detach("n2");
    const port = network.port("n2");
    const seen: Uint8Array[] = [];
    port.onReceive((_, frames) => {
      for (const frame of frames) {
        seen.push(Uint8Array.from(frame));
        frame.fill(0);
      }
    });
    const sent = Uint8Array.of(1, 2, 3);
    ports.get("n1")?.send("n2", sent);
    ports.get("n1")?.release();
    clock.runUntil(10);
    assert.deepEqual(seen, [Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2, 3)]);
    assert.deepEqual(sent, Uint8Array.of(1, 2, 3));
  });
});
