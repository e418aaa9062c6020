/** Contexts as clients carry them: tied to their key. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { utf8 } from "../../src/base/bytes.js";
import { contextOfDot, contextUpTo, EMPTY_CONTEXT, encodeContext } from "../../src/lattice/context.js";
import {
  decodeContextToken,
  encodeContextToken,
  isContextOf,
  isUncheckedContext,
} from "../../src/lattice/context-token.js";
import { at, context } from "./arbitraries.js";

const owner = (bucket: string, key: string, sort?: string) => ({
  ...{ bucket, key: utf8(key) },
  ...(sort === undefined ? {} : { sort: utf8(sort) }),
});
const ada = owner("carts", "ada");

describe("a context's token", () => {
  test("holds the context, and is of its key", () => {
    fc.assert(
      fc.property(context, (seen) => {
        const token = encodeContextToken(ada, seen);
        assert.deepEqual(decodeContextToken(token), seen);
        assert.ok(isContextOf(ada, token));
        assert.ok(!isUncheckedContext(token));
      }),
    );
  });

  test("is of no other key, bucket or cell", () => {
    const token = encodeContextToken(owner("rows", "ada", "x"), contextUpTo(at(1)));
    const others = [
      ...[owner("rows", "adb", "x"), owner("rowt", "ada", "x"), owner("rows", "ada", "y"), owner("rows", "ada")],
      ...[owner("rows", "adax"), owner("rowsa", "da", "x"), owner("rows", "ad", "ax")],
    ];
    for (const other of others) assert.ok(!isContextOf(other, token), JSON.stringify(other));
  });

  test("is refused when no node can have answered it, and known when one without checks did", () => {
    const bare = encodeContext(contextOfDot(at(1)));
    const token = encodeContextToken(ada, contextUpTo(at(1)));
    for (const bytes of [new Uint8Array(0), Uint8Array.of(3), token.subarray(0, 5), token.subarray(0, -1), bare]) {
      assert.equal(decodeContextToken(bytes), undefined);
    }
    assert.ok(isUncheckedContext(bare));
    assert.ok(!isUncheckedContext(token.subarray(0, 5)));
  });

  test("is frozen for ever under its format", () => {
    const token = encodeContextToken(owner("rows", "ada", "x"), EMPTY_CONTEXT);
    assert.equal(Buffer.from(token).toString("hex"), "03905e240b01");
  });
});
