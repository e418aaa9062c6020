/** What the simulation's models demand of siblings, counters, sets, maps and rows, forbid, and allow. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../src/base/bytes.js";
import type { Level } from "../src/config.js";
import { type Context, contextUpTo, EMPTY_CONTEXT } from "../src/lattice/context.js";
import { cellOf } from "../src/sim/cells.js";
import { Checker } from "../src/sim/checker.js";
import { type Models, modelsOf } from "../src/sim/minted-keys.js";
import type { Asked, Attempt } from "../src/sim/model.js";
import { Owners } from "../src/sim/owners.js";
import { RowChecker } from "../src/sim/row-checker.js";
import type { Change, FieldEdit, MintedType } from "../src/sim/script.js";

/** Any context: what it covers the models do not look at. */
const SEEN = contextUpTo({ timeUs: 1, actor: 1n });

type Wish = Partial<Change> & Pick<Change, "kind"> & { readonly wish?: string };

interface Reading {
  readonly level?: Level;
  /** Whoever was behind was mended. */
  readonly mend?: boolean;
  readonly client?: number;
  readonly context?: Context;
}

/** Clients of one key, told what a test likes. */
class Clients {
  readonly violations: string[] = [];
  nowMs = 0;
  /** Where they ask. */
  datacenter: string | undefined;
  private readonly noted = new Set<string>();
  private readonly models: Models;
  private count = 0;

  constructor(
    private readonly type: MintedType,
    private readonly owners = new Owners(3, false),
  ) {
    this.models = modelsOf({
      ...{ owners, violations: this.violations, noted: this.noted },
      ...{ nowMs: () => this.nowMs, clocksOffMs: 10 },
    });
  }

  change(change: Wish, level: Level = "QUORUM"): Attempt {
    const { client = 0 } = change;
    const asked = this.askedOf(level, client, change.wish);
    const request = { client, node: 0, retries: 0, key: 1, level, deadlineMs: 1, mend: true, isAware: false };
    return this.models[this.type].change(asked, { ...request, type: this.type, ...change });
  }

  acknowledged(change: Wish, level?: Level): void {
    this.change(change, level).onAcknowledged(SEEN, undefined);
  }

  /** What is wrong with a read that is told this. */
  read(
    texts: readonly string[],
    { level = "QUORUM", client = 0, context = SEEN, mend = true }: Reading = {},
  ): string[] {
    const onView = this.models[this.type].read(this.askedOf(level, client), mend);
    onView({ contents: texts.map((text) => ({ contentType: "", value: utf8(text) })), context });
    return this.violations.splice(0).map((violation) => violation.replace(/^.*?: /, ""));
  }

  private askedOf(level: Level, client: number, wish = ""): Asked {
    const parts = this.owners.partsOf(1, level, this.datacenter);
    const firstParts = this.owners.partsOf(1, level === "LOCAL_QUORUM" ? level : "QUORUM", this.datacenter);
    return { name: `${++this.count}`, wish, key: 1, client, parts, firstParts };
  }
}

test("a sibling stays until a write that had read it was tried, and does not come back after one", () => {
  const clients = new Clients("siblings");
  clients.acknowledged({ kind: "put" });
  clients.acknowledged({ kind: "put", client: 1 });
  assert.deepEqual(clients.read(["value 2"]), ["lost a sibling: value 1"]);
  assert.deepEqual(clients.read(["value 1", "value 2"]), []);
  const aware = clients.change({ kind: "put", isAware: true });
  assert.deepEqual(clients.read([]), [], "it may have replaced both");
  aware.onAcknowledged(SEEN, undefined);
  assert.deepEqual(clients.read(["value 1", "value 5"]), ["read what had been replaced: value 1"]);
  assert.deepEqual(clients.read(["value 5", "value 9"]), ["read what nobody wrote: value 9"]);
});

test("a write that was refused replaces nothing, and is read by nobody", () => {
  const clients = new Clients("siblings");
  clients.acknowledged({ kind: "put" });
  clients.read(["value 1"]);
  clients.change({ kind: "put", isAware: true }).onRefused();
  assert.deepEqual(clients.read([]), ["lost a sibling: value 1"]);
  assert.deepEqual(clients.read(["value 1", "value 3"]), ["read what nobody wrote: value 3"]);
});

test("a delete without a context may have taken whatever was there until it ended", () => {
  const clients = new Clients("siblings");
  const blind = clients.change({ kind: "delete" });
  clients.acknowledged({ kind: "put" });
  blind.onAcknowledged(SEEN, undefined);
  clients.acknowledged({ kind: "put" });
  assert.deepEqual(clients.read(["value 2"]), ["lost a sibling: value 3"]);
  assert.deepEqual(clients.read(["value 3"]), []);
});

test("a delete without a context may have taken what another write was about to replace, though that is refused later", () => {
  const clients = new Clients("siblings");
  clients.acknowledged({ kind: "put" });
  clients.read(["value 1"]);
  const aware = clients.change({ kind: "put", isAware: true });
  clients.acknowledged({ kind: "delete", client: 1 });
  aware.onRefused();
  assert.deepEqual(clients.read([]), []);
});

test("who was shown that there is nothing deletes without a context", () => {
  const clients = new Clients("siblings");
  clients.read([], { context: EMPTY_CONTEXT });
  clients.change({ kind: "delete", isAware: true });
  clients.acknowledged({ kind: "put" });
  assert.deepEqual(clients.read([]), []);
});

test("whom a read need not meet it need not see", () => {
  const clients = new Clients("siblings");
  clients.acknowledged({ kind: "put" }, "ONE");
  assert.deepEqual(clients.read([]), []);
  assert.deepEqual(clients.read([], { level: "ALL" }), ["lost a sibling: value 1"]);
  clients.read(["value 1"]);
  assert.deepEqual(clients.read([]), ["lost a sibling: value 1"], "a read that mended has shown it");
});

test("a counter counts what was acknowledged, and at most what nobody knows besides, ups and downs apart", () => {
  const clients = new Clients("counter");
  clients.acknowledged({ kind: "add", by: 5 });
  assert.deepEqual(clients.read(['{"value":4}']), ["counts 4, less than was acknowledged: 5"]);
  assert.deepEqual(clients.read(['{"value":6}']), ["counts 6, more than was added: 5"]);
  clients.change({ kind: "add", by: 2 });
  clients.change({ kind: "add", by: -3 });
  for (const value of [2, 4, 5, 7]) assert.deepEqual(clients.read([`{"value":${value}}`]), []);
  assert.deepEqual(clients.read(['{"value":1}']), ["counts 1, less than was acknowledged: 2"]);
  clients.change({ kind: "add", by: 100 }).onRefused();
  assert.deepEqual(clients.read(['{"value":8}']), ["counts 8, more than was added: 7"]);
});

test("an addition with an id counts once, however often it is tried", () => {
  const clients = new Clients("counter");
  const wish = { kind: "add", by: 5, isNamed: true, wish: "one" } as const;
  clients.change(wish);
  clients.change(wish).onRefused();
  clients.acknowledged(wish);
  assert.deepEqual(clients.read([]), ["counts 0, less than was acknowledged: 5"]);
  assert.deepEqual(clients.read(['{"value":10}']), ["counts 10, more than was added: 5"]);
});

test("a counter that nobody counts down does not go back", () => {
  const clients = new Clients("counter");
  clients.change({ kind: "add", by: 2 });
  assert.deepEqual(clients.read(['{"value":2}']), []);
  assert.deepEqual(clients.read([]), ["went back to 0 from 2"]);
});

test("a counter's delete takes all that it had to meet, and perhaps what was added beside it", () => {
  const clients = new Clients("counter");
  clients.acknowledged({ kind: "add", by: 5 });
  const reset = clients.change({ kind: "delete" });
  clients.acknowledged({ kind: "add", by: 2 });
  for (const value of [0, 2, 5, 7]) assert.deepEqual(clients.read([`{"value":${value}}`]), []);
  reset.onAcknowledged(SEEN, undefined);
  clients.acknowledged({ kind: "add", by: 1 });
  assert.deepEqual(clients.read(['{"value":0}']), ["counts 0, less than was acknowledged: 1"]);
  assert.deepEqual(clients.read(['{"value":4}']), ["counts 4, more than was added: 3"]);
});

test("an element is there unless a remove may have seen it, and gone once one had to", () => {
  const clients = new Clients("set");
  clients.acknowledged({ kind: "edit-set", add: ["a"] });
  assert.deepEqual(clients.read([]), ["lost an element: a"]);
  clients.read(['{"value":["a"]}']);
  const remove = clients.change({ kind: "edit-set", remove: ["a"], isAware: true });
  assert.deepEqual(clients.read([], { client: 1 }), [], "it may have been removed");
  remove.onAcknowledged(SEEN, undefined);
  assert.deepEqual(clients.read(['{"value":["a"]}'], { client: 1 }), ["read what had been removed: a"]);
  assert.deepEqual(clients.read(['{"value":["b"]}'], { client: 1 }), ["read what nobody added: b"]);
});

test("an add that a remove's client cannot have seen wins", () => {
  const clients = new Clients("set");
  clients.acknowledged({ kind: "edit-set", add: ["a"] });
  clients.read(['{"value":["a"]}']);
  clients.acknowledged({ kind: "edit-set", add: ["a"], client: 1 });
  clients.acknowledged({ kind: "edit-set", remove: ["a"], isAware: true });
  assert.deepEqual(clients.read([]), ["lost an element: a"]);
  assert.deepEqual(clients.read(['{"value":["a"]}']), []);
});

test("an addition answers what its minter holds, who may not have heard of a delete; nothing else is added to it", () => {
  const clients = new Clients("counter");
  clients.acknowledged({ kind: "add", by: 5 });
  clients.acknowledged({ kind: "delete" });
  for (const [value, wrong] of [
    [6, []],
    [8, ["answers 8, not from 1 to 7"]],
  ] as const) {
    const contents = [{ contentType: "application/json", value: utf8(`{"value":${value}}`) }];
    clients.change({ kind: "add", by: 1 }).onAcknowledged(SEEN, { contents, context: SEEN });
    assert.deepEqual(
      clients.violations.splice(0).map((violation) => violation.replace(/^.*?: /, "")),
      wrong,
    );
  }
});

test("a map's fields stay until a removal may have seen them, and a field that was set anew is there with either value", () => {
  const clients = new Clients("map");
  const set = { kind: "edit-map", fields: [{ kind: "set", field: "a" }] } as const;
  clients.acknowledged({ ...set, wish: "one" });
  assert.deepEqual(clients.read([]), ["lost a field: a one"]);
  assert.deepEqual(clients.read(['{"value":{"a":"two"}}']), ["read what nobody set: a two"]);
  clients.acknowledged({ ...set, wish: "two" });
  for (const value of ["one", "two"]) assert.deepEqual(clients.read([`{"value":{"a":"${value}"}}`]), []);
  clients.acknowledged({ ...set, wish: "three" }, "ALL");
  const removal = clients.change({ kind: "edit-map", fields: [{ kind: "remove", field: "a" }] });
  assert.deepEqual(clients.read([]), [], "it may have been removed");
  removal.onAcknowledged(SEEN, undefined);
  assert.deepEqual(clients.read(['{"value":{"a":"three"}}']), ["read what was gone: a three"]);
});

test("a value that its successor's owner must have held is gone", () => {
  const clients = new Clients("map");
  const set = { kind: "edit-map", fields: [{ kind: "set", field: "a" }] } as const;
  clients.acknowledged({ ...set, wish: "one" }, "ALL");
  clients.acknowledged({ ...set, wish: "two" });
  assert.deepEqual(clients.read(['{"value":{"a":"one"}}']), ["read what was gone: a one"]);
});

test("a field that a removal cannot have seen outlives it, and so does what is beside it", () => {
  const clients = new Clients("map");
  const edit = (fields: readonly FieldEdit[], client = 0) => ({ kind: "edit-map", client, fields, wish: "v" }) as const;
  clients.acknowledged(edit([{ kind: "put-in", field: "m/s", element: "x" }]));
  const shown = '{"value":{"m":{"s":["x"]}}}';
  assert.deepEqual(clients.read([shown]), []);
  clients.acknowledged(edit([{ kind: "put-in", field: "m/s", element: "x" }], 1));
  clients.acknowledged({ ...edit([{ kind: "remove", field: "m" }]), isAware: true });
  assert.deepEqual(clients.read([]), ["lost a field: m/s x"]);
  assert.deepEqual(clients.read([shown]), []);
});

test("half an edit of a map is never read, and its counters count", () => {
  const clients = new Clients("map");
  const fields = [
    ...["p", "in/p"].map((field) => ({ kind: "set", field }) as const),
    { kind: "add", field: "m/n", by: 5 } as const,
  ];
  clients.acknowledged({ kind: "edit-map", fields, wish: "v" });
  assert.deepEqual(clients.read(['{"value":{"p":"v","m":{"n":5}}}']), [
    "read half an edit: v beside nothing",
    "lost a field: in/p v",
  ]);
  assert.deepEqual(clients.read(['{"value":{"p":"v","in":{"p":"v"},"m":{"n":4}}}']), [
    "counts 4, less than was acknowledged: 5",
    "went back to 4 from 5",
  ]);
  assert.deepEqual(clients.read(['{"value":{"p":"v","in":{"p":"v"},"m":{"n":5}}}']), []);
});

/** A row of three cells, in the order of their sort keys 0, 1 and 2. */
class RowClients {
  readonly checker = new Checker(new Owners(3, false), false);
  readonly cells = [0, 1, 2].map((cell) => cellOf(0, cell)) as [number, number, number];
  private readonly rows: RowChecker;
  private timeUs = 0;

  constructor() {
    const rest = { kind: "put", client: 0, node: 0, retries: 0, level: "QUORUM", deadlineMs: 1 } as const;
    const operationOf = (key: number) => ({ ...rest, key, isAware: false, mend: true, ttlMs: undefined });
    const steps = this.cells.map((key) => ({ atMs: 0, deed: { operation: operationOf(key) } }));
    this.rows = new RowChecker({ steps }, this.checker, new Set());
  }

  change(cell: number, value: string | undefined): void {
    const ticket = this.checker.begin(cell, value === undefined ? "delete" : "put", "QUORUM");
    const context = contextUpTo({ timeUs: ++this.timeUs, actor: 1n });
    if (value === undefined) this.checker.onVanish(cell, 0).stamp = { timeUs: this.timeUs, actor: 1n };
    else this.checker.onAttempt(cell, value, false);
    this.checker.onWritten(ticket, value, context, EMPTY_CONTEXT);
  }

  /** What is wrong with a range that tells these cells, each with the value and the time of its write. */
  range(cells: readonly (readonly [string, string, number])[], next?: string): string[] {
    const rest = { key: this.cells[0], level: "QUORUM", cellsMax: 2, mend: true, datacenter: undefined } as const;
    const onPage = this.rows.begin({ ...rest, name: "range", from: undefined, to: undefined });
    const told = cells.map(([sort, value, timeUs]) => {
      const contents = [{ contentType: "", value: utf8(value) }];
      return { sort: utf8(sort), view: { contents, context: contextUpTo({ timeUs, actor: 1n }) } };
    });
    const end = { next: next === undefined ? undefined : utf8(next), replicas: [], mended: [] };
    onPage({ ok: true, cells: told, ...end }, undefined);
    return this.checker.violations.splice(0).map((violation) => violation.replace(/ \(.*/, ""));
  }
}

test("a range tells every cell that was acknowledged, in order, unless a later delete may be above it", () => {
  const clients = new RowClients();
  const [first, second] = clients.cells;
  clients.change(first, "one");
  clients.change(second, "two");
  assert.deepEqual(clients.range([["1", "two", 2]]), [`range cell ${first}: passed over what was held`]);
  assert.deepEqual(
    clients.range([
      ["1", "two", 2],
      ["0", "one", 1],
    ]),
    ["range: cells out of order: 0"],
  );
  assert.deepEqual(clients.range([["0", "one", 1]]), [`range cell ${second}: passed over what was held`]);
  assert.deepEqual(clients.range([["0", "one", 1]], "0 "), [], "it was cut before");
  clients.change(first, undefined);
  assert.deepEqual(clients.range([["1", "two", 2]]), []);
  assert.deepEqual(
    clients.range([
      ["0", "one", 1],
      ["1", "two", 2],
    ]),
    [`range cell ${first}: read less than was held`],
  );
  clients.change(first, "three");
  assert.deepEqual(clients.range([["1", "two", 2]]), [`range cell ${first}: passed over what was held`]);
});

test("a sibling with an id is one, however often it is tried", () => {
  const clients = new Clients("siblings");
  const wish = { kind: "put", isNamed: true, wish: "one" } as const;
  clients.change(wish);
  clients.change(wish).onRefused();
  clients.acknowledged(wish);
  assert.deepEqual(clients.read([]), ["lost a sibling: value one"]);
  assert.deepEqual(clients.read(["value one", "value one"]), ["read one value twice: value one"]);
});

test("a sibling that expires is there before the earliest clock and gone after the latest", () => {
  const clients = new Clients("siblings");
  clients.acknowledged({ kind: "put", ttlMs: 100 });
  clients.nowMs = 89;
  assert.deepEqual(clients.read([]), ["lost a sibling: value 1"]);
  for (const nowMs of [90, 110]) {
    clients.nowMs = nowMs;
    for (const told of [[], ["value 1"]]) assert.deepEqual(clients.read(told), []);
  }
  clients.nowMs = 111;
  assert.deepEqual(clients.read(["value 1"]), ["read what had expired: value 1"]);
});

test("an element that was shown and removed does not come back when its add is tried again under its id", () => {
  const clients = new Clients("set");
  const wish = { kind: "edit-set", add: ["a"], isNamed: true, wish: "one", client: 1 } as const;
  clients.change(wish);
  clients.read(['{"value":["a"]}']);
  clients.acknowledged({ kind: "edit-set", remove: ["a"], isAware: true });
  clients.acknowledged(wish);
  assert.deepEqual(clients.read(['{"value":["a"]}'], { client: 2 }), ["read what had been removed: a"]);
  assert.deepEqual(clients.read([]), []);
});

test("who answers for an owner that was silent about a change with an id may have heard of its removal", () => {
  for (const isNamed of [true, false]) {
    const clients = new Clients("set");
    const adding = clients.change({ kind: "edit-set", add: ["a"], isNamed, wish: "one" });
    const without = (): string[] => {
      adding.onAcknowledged(SEEN, { contents: [], context: SEEN });
      return clients.violations.splice(0);
    };
    assert.deepEqual(without(), ["1: answers without a"]);
    clients.change({ kind: "delete", client: 1 });
    assert.deepEqual(without(), isNamed ? [] : ["1: answers without a"]);
  }
  for (const isNamed of [true, false]) {
    const clients = new Clients("map");
    const fields = [{ kind: "set", field: "a" }] as const;
    const setting = clients.change({ kind: "edit-map", fields, isNamed, wish: "one" });
    const told = (value: string): string[] => {
      setting.onAcknowledged(SEEN, { contents: [{ contentType: "", value: utf8(value) }], context: SEEN });
      return clients.violations.splice(0);
    };
    assert.deepEqual(told('{"value":{}}'), ["1: answers without what it set: a one"]);
    clients.change({ kind: "edit-map", fields, wish: "two", client: 1 });
    assert.deepEqual(told('{"value":{"a":"two"}}'), isNamed ? [] : ["1: answers without what it set: a one"]);
  }
});

/** Three owners in each of two datacenters. */
function twoDatacenters(): Owners {
  const owners = { east: 3, west: 3 };
  return new Owners(owners, false, () => new Map(Object.entries(owners)));
}

test("a sibling with an id that was replaced may be shown where it lies under another stamp, until both have met", () => {
  for (const isNamed of [true, false]) {
    const clients = new Clients("siblings", twoDatacenters());
    clients.change({ kind: "put", isNamed, wish: "1" });
    clients.datacenter = "east";
    clients.read(["value 1"], { level: "LOCAL_QUORUM" });
    for (const [datacenter, replacing] of [
      ["west", "3"],
      ["east", "5"],
    ] as const) {
      clients.datacenter = datacenter;
      clients.acknowledged({ kind: "put", isAware: true }, "LOCAL_QUORUM");
      const found = clients.read(["value 1", `value ${replacing}`], { level: "LOCAL_QUORUM", client: 1 });
      const isAllowed = isNamed && datacenter === "west";
      assert.deepEqual(found, isAllowed ? [] : ["read what had been replaced: value 1"]);
    }
    const atAll = clients.read(["value 1", "value 5"], { level: "ALL", client: 1 });
    assert.deepEqual(atAll, ["read what had been replaced: value 1"]);
  }
});

test("a sibling with an id that was shown by one owner alone may be shown again by who has not met that one", () => {
  const clients = new Clients("siblings");
  clients.change({ kind: "put", isNamed: true, wish: "1" });
  clients.read(["value 1"], { mend: false });
  clients.acknowledged({ kind: "put", isAware: true });
  assert.deepEqual(clients.read(["value 1", "value 3"], { client: 1 }), []);
  const atAll = clients.read(["value 1", "value 3"], { level: "ALL", client: 1 });
  assert.deepEqual(atAll, ["read what had been replaced: value 1"]);
});

test("an element whose add has an id may be shown where it lies under another stamp, until both have met", () => {
  for (const isNamed of [true, false]) {
    const clients = new Clients("set", twoDatacenters());
    clients.datacenter = "east";
    clients.acknowledged({ kind: "edit-set", add: ["a"], isNamed, wish: "1" }, "LOCAL_QUORUM");
    clients.read(['{"value":["a"]}'], { level: "LOCAL_QUORUM" });
    clients.datacenter = "west";
    clients.acknowledged({ kind: "edit-set", remove: ["a"], isAware: true }, "LOCAL_QUORUM");
    const found = clients.read(['{"value":["a"]}'], { level: "LOCAL_QUORUM", client: 1 });
    assert.deepEqual(found, isNamed ? [] : ["read what had been removed: a"]);
    const atAll = clients.read(['{"value":["a"]}'], { level: "ALL", client: 1 });
    assert.deepEqual(atAll, ["read what had been removed: a"]);
  }
});

test("of two values with ids, a field's later one takes the place of the former only if its client had seen that", () => {
  for (const isAware of [true, false]) {
    const clients = new Clients("map");
    const set = (wish: string) =>
      ({ kind: "edit-map", isNamed: true, wish, fields: [{ kind: "set", field: "a" }] }) as const;
    clients.acknowledged(set("one"));
    clients.read(['{"value":{"a":"one"}}']);
    clients.acknowledged({ ...set("two"), isAware });
    const found = clients.read(['{"value":{"a":"one"}}'], { client: 1 });
    assert.deepEqual(found, isAware ? ["read what was gone: a one"] : []);
  }
});
