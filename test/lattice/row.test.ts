import assert from "node:assert/strict";
import { test } from "node:test";
import { MalformedBytes, utf8 } from "../../src/base/bytes.js";
import { below } from "../../src/base/random.js";
import { SeededRandom } from "../../src/base/seeded.js";
import { type Counter, counter } from "../../src/lattice/counter.js";
import { register } from "../../src/lattice/register.js";
import { type Row, rowOf } from "../../src/lattice/row.js";
import { at, changeOf } from "./arbitraries.js";
import { HISTORIES } from "./histories.js";

const counters = rowOf(counter);

test("a row is its cells: merged in any order, each is what its own lattice makes of it", () => {
  for (let seed = 0; seed < HISTORIES; seed++) {
    const random = new SeededRandom(seed);
    const replicas: Row<Counter>[] = [counters.bottom, counters.bottom, counters.bottom];
    const cells = new Map<string, Counter>();
    for (let step = 1; step <= 12; step++) {
      const replica = below(random, replicas.length);
      const sort = String.fromCharCode(97 + below(random, 4));
      const row = replicas[replica] as Row<Counter>;
      const held = row.find((cell) => cell.sort[0] === sort.charCodeAt(0))?.state ?? counter.bottom;
      const by = 1 + below(random, 9);
      const state = counter.mutate(held, changeOf({ kind: "add", by }, at(step, BigInt(replica))));
      cells.set(sort, counter.merge(cells.get(sort) ?? counter.bottom, state));
      const other = below(random, replicas.length);
      replicas[replica] = counters.merge(row, [{ sort: utf8(sort), state }]);
      replicas[other] = counters.merge(replicas[other] as Row<Counter>, replicas[replica] as Row<Counter>);
    }
    const all = replicas.reduce(counters.merge);
    const expected = [...cells].sort(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual(
      all.map((cell) => [Buffer.from(cell.sort).toString(), cell.state]),
      expected,
    );
  }
});

test("an encoding is frozen for ever under its tag", () => {
  const state = register.mutate(undefined, changeOf({ kind: "delete" }, at(5, 7n)));
  const row = [
    { sort: utf8(""), state },
    { sort: utf8("ab"), state },
  ];
  const cell = "00000013" + "0101000000000000000500000000000000" + "0700";
  assert.equal(Buffer.from(rowOf(register).encode(row)).toString("hex"), `060000${cell}00026162${cell}`);
});

test("cells out of order, twice, or none are malformed", () => {
  const cell = (sort: string) => ({
    sort: utf8(sort),
    state: counter.mutate(counter.bottom, changeOf({ kind: "add", by: 1 }, at(1))),
  });
  const encoded = (...sorts: string[]) => counters.encode(sorts.map(cell));
  assert.equal(counters.decode(encoded("a", "b")).length, 2);
  for (const bytes of [encoded("b", "a"), encoded("a", "a"), Uint8Array.of(6)]) {
    assert.throws(() => counters.decode(bytes), MalformedBytes);
  }
});
