import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { equalBytes, utf8 } from "../src/base/bytes.js";
import { below } from "../src/base/random.js";
import { abridged, firstDifference, printable, refusalSentence } from "../src/real/facts.js";
import { Handshake, type HandshakeEnd, newInstance, type Party } from "../src/real/handshake.js";
import { type Sealed, sealMessage, unsealMessage } from "../src/real/seal.js";
import { SimRandom } from "../src/sim/random.js";

const random = new SimRandom("handshakes");
const SECRET = utf8("correct horse battery staple");
const FACTS = [
  ["cluster", "murmur-demo"],
  ["partitions", "1024"],
] as const;

function party(self: string, changes: Partial<Party> = {}): Party {
  return {
    self,
    instance: newInstance(random),
    facts: FACTS,
    secret: undefined,
    ageMs: () => 0,
    isSettled: () => false,
    admit: () => undefined,
    ...changes,
  };
}

interface Talk {
  readonly dialler: HandshakeEnd | undefined;
  readonly acceptor: HandshakeEnd | undefined;
  /** Everything that was said, in order. */
  readonly wire: ReadonlyArray<{ readonly by: "dialler" | "acceptor"; readonly message: Uint8Array }>;
}

/** Lets two parties talk until both are silent. `onWire` may alter or drop what is said. */
function talk(
  one: Party,
  other: Party,
  dialled = other.self,
  onWire: (message: Uint8Array, index: number) => Uint8Array | undefined = (message) => message,
): Talk {
  const machines = {
    dialler: new Handshake(one, dialled, random),
    acceptor: new Handshake(other, undefined, random),
  };
  const ends: { dialler: HandshakeEnd | undefined; acceptor: HandshakeEnd | undefined } = {
    dialler: undefined,
    acceptor: undefined,
  };
  const wire: Array<{ by: "dialler" | "acceptor"; message: Uint8Array }> = [];
  const say = (by: "dialler" | "acceptor", messages: readonly Uint8Array[]): void => {
    for (const message of messages) wire.push({ by, message });
  };
  say("dialler", machines.dialler.open());
  for (let next = 0; next < wire.length; next++) {
    const { by, message } = wire[next] as (typeof wire)[number];
    const hearer = by === "dialler" ? "acceptor" : "dialler";
    const heard = onWire(message, next);
    if (heard === undefined || ends[hearer] !== undefined) continue;
    const step = machines[hearer].onMessage(heard);
    say(hearer, step.say);
    ends[hearer] = step.end;
  }
  return { ...ends, wire };
}

function difference(end: HandshakeEnd | undefined): string {
  assert.equal(end?.kind, "refused", `not refused but ${end?.kind}`);
  const { peer, field, ours, theirs } = end.refusal;
  return `${peer} | ${field} | ${ours} | ${theirs}`;
}

describe("the handshake", () => {
  test("two nodes of one cluster accept each other and learn the process", () => {
    for (const secret of [undefined, SECRET]) {
      const [one, two] = [party("n1", { secret }), party("n2", { secret })];
      const { dialler, acceptor, wire } = talk(one, two);
      assert.ok(dialler?.kind === "accepted" && acceptor?.kind === "accepted");
      assert.deepEqual([dialler.peer, acceptor.peer], ["n2", "n1"]);
      assert.ok(equalBytes(dialler.instance, two.instance) && equalBytes(acceptor.instance, one.instance));
      assert.equal(wire.length, 6);
    }
  });

  test("a different fact is named on both sides, with both values", () => {
    for (const secret of [undefined, SECRET]) {
      for (const [index, [field, value]] of FACTS.entries()) {
        const facts = FACTS.map((fact, at) => (at === index ? ([field, "else"] as const) : fact));
        const { dialler, acceptor } = talk(party("n1", { secret, facts }), party("n2", { secret }));
        assert.equal(difference(dialler), `n2 | ${field} | else | ${value}`);
        assert.equal(difference(acceptor), `n1 | ${field} | ${value} | else`);
      }
    }
  });

  test("a fact only one side has is a difference", () => {
    const { dialler, acceptor } = talk(party("n1", { facts: [...FACTS, ["buckets", "b7"]] }), party("n2"));
    assert.equal(difference(dialler), "n2 | buckets | b7 | (absent)");
    assert.equal(difference(acceptor), "n1 | buckets | (absent) | b7");
  });

  test("a secret on one side only is refused on both", () => {
    const { dialler, acceptor } = talk(party("n1", { secret: SECRET }), party("n2"));
    assert.equal(difference(dialler), "n2 | secret | a secret | no secret");
    assert.equal(difference(acceptor), "n1 | secret | no secret | a secret");
  });

  test("different secrets are refused on both sides, and nothing was shown to the stranger", () => {
    const [one, two] = [party("n1", { secret: utf8("guess") }), party("n2", { secret: SECRET })];
    const { dialler, acceptor, wire } = talk(one, two);
    assert.equal(difference(dialler), "n2 | secret | a different secret | a secret");
    assert.equal(difference(acceptor), "n1 | secret | a secret | a different secret");
    const said = Buffer.concat(wire.map(({ message }) => message)).toString("latin1");
    for (const hidden of ["murmur-demo", "1024", "guess", "correct horse"]) assert.ok(!said.includes(hidden));
  });

  test("an acceptor without the secret is shown nothing either", () => {
    const dialler = new Handshake(party("n1", { secret: SECRET }), "n2", random);
    const impostor = new Handshake(party("n2", { secret: utf8("guess") }), undefined, random);
    const hello = impostor.onMessage(dialler.open()[0] as Uint8Array).say[0] as Uint8Array;
    assert.equal(dialler.onMessage(hello).say.length, 1);
    // It skips the check it cannot make and invents an answer: kind 3, a body, a seal.
    const { say, end } = dialler.onMessage(Buffer.concat([Buffer.from([3]), Buffer.alloc(60, 1)]));
    assert.equal(difference(end), "n2 | secret | a secret | a different secret");
    assert.ok(!Buffer.concat(say).toString("latin1").includes("murmur-demo"));
  });

  test("a dialler that reached another node is refused, naming both", () => {
    const { dialler, acceptor } = talk(party("n1"), party("n3"), "n2");
    assert.equal(difference(dialler), "n2 | node id | n2 | n3");
    assert.equal(difference(acceptor), "n1 | node id | n3 | n2");
  });

  test("the acceptor has the last word", () => {
    const objection = { field: "node id", ours: "n1 of process aa", theirs: "n1 of process bb" };
    const { dialler, acceptor } = talk(party("n1"), party("n2", { admit: () => objection }));
    assert.equal(difference(acceptor), "n1 | node id | n1 of process aa | n1 of process bb");
    assert.equal(difference(dialler), "n2 | node id | n1 of process bb | n1 of process aa");
  });

  test("the acceptor objects only to a peer that proved everything", () => {
    const admit = (): never => assert.fail("asked about a stranger");
    const strangers = [
      talk(party("n1", { secret: utf8("guess") }), party("n2", { secret: SECRET, admit })),
      talk(party("n1", { facts: [["cluster", "other"]] }), party("n2", { admit })),
    ];
    for (const { acceptor } of strangers) assert.equal(acceptor?.kind, "refused");
  });

  test("another protocol is named, whatever follows in its hello", () => {
    const { dialler, acceptor } = talk(party("n1"), party("n2"), "n2", (message, index) => {
      if (index !== 0) return message;
      const hello = Buffer.concat([message, utf8("and more")]);
      hello.writeUInt16BE(9, 1);
      return hello;
    });
    assert.equal(difference(acceptor), "n1 | protocol | 5 | 9");
    assert.equal(difference(dialler), "n2 | protocol | 9 | 5");
  });

  test("the one that nobody accepted, else the younger, is probably wrong", () => {
    const seniors = (one: Partial<Party>, two: Partial<Party>): [boolean, boolean] => {
      const { dialler, acceptor } = talk(party("n1", one), party("n2", { ...two, facts: [] }));
      assert.ok(dialler?.kind === "refused" && acceptor?.kind === "refused");
      return [dialler.bySenior, acceptor.bySenior];
    };
    assert.deepEqual(seniors({ ageMs: () => 10 }, { ageMs: () => 5000 }), [true, false]);
    assert.deepEqual(seniors({ ageMs: () => 5000 }, { ageMs: () => 10 }), [false, true]);
    assert.deepEqual(seniors({ ageMs: () => 5000 }, { ageMs: () => 10, isSettled: () => true }), [true, true]);
    assert.deepEqual(seniors({}, {}), [false, false]);
  });
});

describe("a handshake among strangers", () => {
  test("what was recorded cannot be played again", () => {
    const [one, two] = [party("n1", { secret: SECRET }), party("n2", { secret: SECRET })];
    const recorded = talk(one, two).wire.filter(({ by }) => by === "dialler");
    const acceptor = new Handshake(two, undefined, random);
    acceptor.onMessage(recorded[0]?.message as Uint8Array);
    const { end } = acceptor.onMessage(recorded[1]?.message as Uint8Array);
    assert.equal(difference(end), "n1 | secret | a secret | a different secret");
  });

  test("a node's own words played back to it prove nothing", () => {
    const dialler = new Handshake(party("n1", { secret: SECRET }), "n2", random);
    const impostor = new Handshake(party("n2", { secret: utf8("guess") }), undefined, random);
    const hello = impostor.onMessage(dialler.open()[0] as Uint8Array).say[0] as Uint8Array;
    const [proof] = dialler.onMessage(hello).say as [Uint8Array];
    const { end } = dialler.onMessage(Buffer.concat([Buffer.from([3]), proof.subarray(1)]));
    assert.equal(difference(end), "n2 | secret | a secret | a different secret");
  });

  test("a seal speaks for one sender, one kind and one pair of hellos", () => {
    const sealed = { diallerHello: utf8("a"), acceptorHello: utf8("b"), sender: "dialler", kind: 3 } as const;
    const message = sealMessage(SECRET, sealed, utf8("body"));
    assert.ok(unsealMessage(SECRET, sealed, message) !== undefined);
    for (const change of [
      { sender: "acceptor" },
      { kind: 2 },
      { diallerHello: utf8("c") },
      { acceptorHello: utf8("c") },
    ]) {
      assert.equal(unsealMessage(SECRET, { ...sealed, ...change } as Sealed, message), undefined);
    }
  });

  test("any altered bit of any message after the hello is found with a secret", () => {
    const [one, two] = [party("n1", { secret: SECRET }), party("n2", { secret: SECRET })];
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 5 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (which, place, flip) => {
        const { dialler, acceptor } = talk(one, two, "n2", (message, index) => {
          if (index !== which) return message;
          const altered = Buffer.from(message);
          const at = place % altered.length;
          altered[at] = (altered[at] as number) ^ flip;
          return altered;
        });
        assert.ok(dialler?.kind !== "accepted" || acceptor?.kind !== "accepted");
      }),
    );
  });

  test("thirty thousand garbled talks never crash, nor let anybody in without the secret", () => {
    const chance = new SimRandom("garbled talks");
    const [one, two] = [party("n1", { secret: utf8("guess") }), party("n2", { secret: SECRET })];
    for (let round = 0; round < 30_000 / 6; round++) {
      const garble = (message: Uint8Array): Uint8Array | undefined => {
        const kind = below(chance, 6);
        if (kind === 0) return message.subarray(0, below(chance, message.length + 1));
        if (kind === 1) return Buffer.concat([message, Buffer.alloc(below(chance, 50), chance.u32())]);
        if (kind === 2)
          return Uint8Array.from(message, (byte) => (below(chance, 20) === 0 ? chance.u32() & 255 : byte));
        if (kind === 3) return Uint8Array.from({ length: below(chance, 80) }, () => chance.u32() & 255);
        return message;
      };
      const { dialler, acceptor } = talk(one, two, "n2", garble);
      assert.notEqual(dialler?.kind, "accepted");
      assert.notEqual(acceptor?.kind, "accepted");
    }
  });

  test("a message out of turn breaks it off without a word", () => {
    const acceptor = new Handshake(party("n2"), undefined, random);
    const { say, end } = acceptor.onMessage(Buffer.from([4]));
    assert.deepEqual(say, []);
    assert.deepEqual(end, { kind: "broken", detail: "a message of kind 4 instead of hello" });
    assert.equal(new Handshake(party("n2"), undefined, random).onMessage(new Uint8Array(0)).end?.kind, "broken");
    assert.equal(new Handshake(party("n2"), undefined, random).onMessage(Buffer.from([5])).end?.kind, "broken");
  });
});

describe("facts", () => {
  test("equal facts have no difference, in any order of theirs", () => {
    assert.equal(firstDifference(FACTS, [...FACTS].reverse()), undefined);
    assert.equal(firstDifference([], []), undefined);
  });

  test("a long value is cut, and still differs where it was cut", () => {
    const buckets = (type: string) => `${"users=register/3 ".repeat(200)}${type}`;
    const [one, two] = [abridged([["buckets", buckets("set")]]), abridged([["buckets", buckets("counter")]])];
    assert.equal(firstDifference(one, abridged([["buckets", buckets("set")]])), undefined);
    const difference = firstDifference(one, two);
    assert.ok(difference?.field === "buckets" && difference.ours.startsWith("users=register/3 "));
    assert.equal(printable(difference.ours), difference.ours, "a refusal shows all of it");
    assert.equal(abridged(FACTS)[0]?.[1], "murmur-demo");
  });

  test("the refusal is a sentence", () => {
    const sentence = refusalSentence({ peer: "n2", field: "cluster", ours: "a", theirs: "b" });
    assert.equal(sentence, 'no connection with n2: cluster is "a" here and "b" there');
  });

  test("a stranger's text cannot write to the terminal", () => {
    assert.equal(printable("\u001b[2Jn1\nn2\u202e é 鳥"), "?[2Jn1?n2? é 鳥");
    assert.equal(printable("x".repeat(9999)).length, 256);
  });
});
