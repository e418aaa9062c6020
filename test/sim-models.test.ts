/** What the simulation's models demand of siblings, counters and sets, forbid, and allow. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../src/base/bytes.js";
import type { Level } from "../src/config.js";
import { type Context, contextUpTo, EMPTY_CONTEXT } from "../src/lattice/context.js";
import { modelsOf } from "../src/sim/minted-keys.js";
import type { Asked, Attempt } from "../src/sim/model.js";
import { Owners } from "../src/sim/owners.js";
import type { Change, MintedType } from "../src/sim/script.js";

/** Any context: what it covers the models do not look at. */
const SEEN = contextUpTo({ timeUs: 1, actor: 1n });

type Wish = Partial<Change> & Pick<Change, "kind"> & { readonly wish?: string };

interface Reading {
  readonly level?: Level;
  readonly client?: number;
  readonly context?: Context;
}

/** Clients of one key with three owners, told what a test likes. */
class Clients {
  readonly violations: string[] = [];
  private readonly owners = new Owners(3, false);
  private readonly models = modelsOf({ owners: this.owners, violations: this.violations, noted: new Set() });
  private count = 0;

  constructor(private readonly type: MintedType) {}

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
  read(texts: readonly string[], { level = "QUORUM", client = 0, context = SEEN }: Reading = {}): string[] {
    const onView = this.models[this.type].read(this.askedOf(level, client), true);
    onView({ contents: texts.map((text) => ({ contentType: "", value: utf8(text) })), context });
    return this.violations.splice(0).map((violation) => violation.replace(/^.*?: /, ""));
  }

  private askedOf(level: Level, client: number, wish = ""): Asked {
    const parts = this.owners.partsOf(1, level, undefined);
    const name = `${++this.count}`;
    return { name, wish, key: 1, client, parts, firstParts: this.owners.partsOf(1, "QUORUM", undefined) };
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
