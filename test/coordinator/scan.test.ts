import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { utf8 } from "../../src/base/bytes.js";
import { joinPages } from "../../src/coordinator/scan.js";
import type { ScanPage } from "../../src/wire/messages.js";

/** `a1 b2 c?` is three keys with their digests, `?` a damaged one; next as a row that comes after what was looked at. */
function page(keys: string, next?: string): ScanPage {
  const listed = keys.split(" ").filter((each) => each !== "");
  return {
    votes: true,
    keys: listed.map(([row, digest]) => ({
      row: utf8(row as string),
      digest: digest === "?" ? undefined : utf8(digest as string),
    })),
    next: next === undefined ? undefined : utf8(next),
    rowsSeen: listed.length,
  };
}

/** Agreed keys as they are, disputed ones in brackets. */
function joined(...pages: ScanPage[]): [keys: string, next: string | undefined] {
  const { candidates, next } = joinPages(pages);
  const keys = candidates.map(({ row, isAgreed }) => {
    const name = Buffer.from(row).toString();
    return isAgreed ? name : `(${name})`;
  });
  return [keys.join(" "), next === undefined ? undefined : Buffer.from(next).toString()];
}

test("pages are joined cell by cell and cut where the shortest ends", () => {
  const table: [pages: ScanPage[], keys: string, next: string | undefined][] = [
    [[page("a1 b2")], "a b", undefined],
    [[page("a1 b2"), page("a1 b2")], "a b", undefined],
    [[page("a1 b2"), page("a1 b3")], "a (b)", undefined],
    [[page("a1"), page("b2")], "(a) (b)", undefined],
    [[page(""), page("a1")], "(a)", undefined],
    [[page("a1 b2", "c"), page("a1 b2 c3 d4")], "a b", "c"],
    [[page("a1 b2 c3 d4", "e"), page("a1", "b")], "a", "b"],
    [[page("", "b"), page("b1 c2")], "", "b"],
    [[page("a?"), page("a1")], "(a)", undefined],
    [[page("a?")], "(a)", undefined],
    [[page("a1"), page("a?"), page("a1")], "(a)", undefined],
  ];
  for (const [pages, keys, next] of table) {
    assert.deepEqual(joined(...pages), [keys, next]);
    assert.deepEqual(joined(...pages.toReversed()), [keys, next]);
  }
});

test("whatever the pages, nothing is listed behind the cut, nothing before it is lost, and all is in order", () => {
  const digests = fc.dictionary(fc.constantFrom(..."abcdefgh"), fc.constantFrom("1", "2"));
  const pages = fc.array(fc.tuple(digests, fc.option(fc.constantFrom(..."bcdefgh"), { nil: undefined })), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(pages, (each) => {
      const cut = each.flatMap(([, next]) => next ?? []).sort()[0] ?? "z";
      const listed = each.map(([held, next]) => {
        const keys = Object.keys(held).sort();
        return page(keys.flatMap((key) => (key < (next ?? "z") ? `${key}${held[key]}` : [])).join(" "), next);
      });
      const held = [..."abcdefgh"].filter((key) => key < cut && each.some(([digest]) => digest[key] !== undefined));
      const names = held.map((key) => {
        const isAgreed = each.every(([digest]) => digest[key] !== undefined && digest[key] === each[0]?.[0][key]);
        return isAgreed ? key : `(${key})`;
      });
      assert.deepEqual(joined(...listed), [names.join(" "), cut === "z" ? undefined : cut]);
    }),
  );
});
