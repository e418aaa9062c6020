import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Reader } from "../../src/base/bytes.js";
import {
  contextOfDot,
  contextUpTo,
  covers,
  decodeContext,
  EMPTY_CONTEXT,
  encodeContext,
  highestTimeUs,
  includes,
  joinContexts,
  lastStampOf,
  readContext,
} from "../../src/lattice/context.js";
import { compareStamps } from "../../src/lattice/stamp.js";
import { at, context, stamp } from "./arbitraries.js";
import { joinLaws } from "./laws.js";

joinLaws(
  {
    name: "context",
    bottom: EMPTY_CONTEXT,
    merge: joinContexts,
    encode: encodeContext,
    decode: (bytes) => readContext(new Reader(bytes)),
  },
  context,
);

test("stamps are totally ordered", () => {
  fc.assert(
    fc.property(stamp, stamp, (a, b) => {
      assert.equal(Math.sign(compareStamps(a, b)), -Math.sign(compareStamps(b, a)) || 0);
      assert.equal(compareStamps(a, b) === 0, a.timeUs === b.timeUs && a.actor === b.actor);
    }),
  );
});

describe("a context", () => {
  test("covers what either of its parts has seen, and nothing else", () => {
    fc.assert(
      fc.property(context, context, stamp, (a, b, dot) => {
        assert.equal(covers(joinContexts(a, b), dot), covers(a, dot) || covers(b, dot));
      }),
    );
  });

  test("includes another when it covers all that the other does", () => {
    fc.assert(
      fc.property(context, context, (a, b) => {
        assert.equal(includes(a, b), joinContexts(a, b) === a);
        assert.ok(includes(joinContexts(a, b), b));
      }),
    );
  });

  test("knows its highest stamp", () => {
    fc.assert(
      fc.property(context, (seen) => {
        const last = lastStampOf(seen);
        assert.equal(highestTimeUs(seen), last?.timeUs ?? 0);
        assert.ok(last === undefined || covers(seen, last));
      }),
    );
  });

  test("of a lone dot says nothing of what its actor minted before", () => {
    assert.ok(covers(contextUpTo(at(5)), at(4)));
    assert.ok(!covers(contextOfDot(at(5)), at(4)));
    assert.deepEqual(joinContexts(contextOfDot(at(5)), contextUpTo(at(6))), contextUpTo(at(6)));
  });

  test("survives its encoding", () => {
    fc.assert(fc.property(context, (seen) => assert.deepEqual(decodeContext(encodeContext(seen)), seen)));
  });

  test("that no node answered is refused", () => {
    const one = encodeContext(contextUpTo(at(1)));
    const twice = Buffer.concat([one, encodeContext(contextUpTo(at(2))).subarray(1)]);
    const dotsAnnounced = Uint8Array.of(2, 0, 0);
    for (const bytes of [new Uint8Array(0), Uint8Array.of(9), one.subarray(0, 9), twice, dotsAnnounced]) {
      assert.equal(decodeContext(bytes), undefined);
    }
  });
});
