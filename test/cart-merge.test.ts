/** The shopping cart of the Dynamo paper (4.4): whatever is cut, late or stale, no item that was added is ever lost. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { utf8 } from "../src/base/bytes.js";
import { DEFAULT_HEDGE } from "../src/cluster-config.js";
import { type Context, EMPTY_CONTEXT } from "../src/lattice/context.js";
import type { View } from "../src/lattice/lattice.js";
import { type MergeFunction, siblingsOf } from "../src/real/merge-function.js";
import { SimCluster } from "../src/sim/cluster.js";
import { ProcessCluster } from "./process-cluster.js";

interface Cart {
  readonly lines: Readonly<Record<string, { readonly item: string; readonly quantity: number }>>;
  readonly removed: readonly string[];
}

const EXAMPLE = new URL("../../examples/cart-merge.js", import.meta.url);
const { default: mergeFunction } = (await import(EXAMPLE.href)) as { default: MergeFunction };
const CART_TYPE = "application/json";

function merge(carts: readonly Cart[]): Cart {
  const siblings = carts.map((value) => ({ contentType: CART_TYPE, value }));
  return mergeFunction(siblings, { bucket: "carts", key: "ada" }) as Cart;
}

const ids = fc.constantFrom("a", "b", "c", "d", "e", "__proto__");
/** A line is the same wherever it is: it is added once. */
const cart: fc.Arbitrary<Cart> = fc.record({ ids: fc.uniqueArray(ids), removed: fc.uniqueArray(ids) }).map((drawn) => ({
  lines: Object.fromEntries(drawn.ids.map((id) => [id, { item: `item ${id}`, quantity: 1 }])),
  removed: drawn.removed,
}));

test("merging carts: each line of any cart is there unless a cart has removed it; order, grouping and repeats are nothing", () => {
  fc.assert(
    fc.property(fc.array(cart, { minLength: 1, maxLength: 5 }), (carts) => {
      const whole = merge(carts);
      const removed = new Set(carts.flatMap((each) => each.removed));
      const added = new Set(carts.flatMap((each) => Object.keys(each.lines)));
      assert.deepEqual(Object.keys(whole.lines).sort(), [...added].filter((id) => !removed.has(id)).sort());
      const text = JSON.stringify(whole);
      assert.equal(JSON.stringify(merge(carts.toReversed())), text);
      assert.equal(JSON.stringify(merge([...carts, ...carts, whole])), text);
      const [first, ...others] = carts as [Cart, ...Cart[]];
      assert.equal(JSON.stringify(merge(others.length === 0 ? [first] : [first, merge(others)])), text);
    }),
  );
});

test("what is no cart is refused, so that its siblings stay", () => {
  for (const wrong of [undefined, null, 5, {}, { lines: null, removed: [] }, { lines: {} }]) {
    assert.throws(() => merge([{ lines: {}, removed: [] }, wrong as unknown as Cart]), TypeError);
  }
});

/** What one client did with the cart, on top of what it saw at some time. */
interface Step {
  readonly client: number;
  readonly node: number;
  readonly action: "read" | "add" | "remove" | "cut" | "heal" | "wait";
}

interface Session {
  cart: Cart;
  context: Context;
}

const KEY = utf8("ada");
const NODES = 3;

class Shop {
  readonly added = new Set<string>();
  /** Asked to be removed; and of these, what was acknowledged. */
  readonly taken = new Set<string>();
  readonly removed = new Set<string>();
  private readonly sessions = new Map<number, Session>();
  private count = 0;

  constructor(private readonly cluster: SimCluster) {}

  run({ client, node, action }: Step): void {
    const at = this.cluster.ids[node] as string;
    if (action === "wait") this.cluster.run(500);
    else if (action === "heal") this.cluster.network.heal();
    else if (action === "cut") this.cut(at);
    else if (action === "read") this.read(client, at);
    else this.write(client, at, action);
  }

  /** Reads at ONE may be stale, and what a client saw long ago is staler. */
  private read(client: number, at: string): void {
    const view = readCart(this.cluster, at, "ONE");
    if (view !== undefined) this.sessions.set(client, { cart: cartOf(view), context: view.context });
  }

  private write(client: number, at: string, action: "add" | "remove"): void {
    const { cart, context } = this.sessions.get(client) ?? { cart: EMPTY, context: EMPTY_CONTEXT };
    const [first] = Object.keys(cart.lines);
    const id = action === "remove" ? first : `line ${++this.count}`;
    if (id === undefined) return;
    const next = action === "add" ? withLine(cart, id) : withoutLine(cart, id);
    const value = utf8(JSON.stringify(next));
    const op = { kind: "put", contentType: CART_TYPE, value, expiresAtMs: undefined } as const;
    const outcome = this.cluster.write(at, { bucket: "carts", key: KEY, op, context, level: "ONE", deadlineMs: 300 });
    if (action === "remove") this.taken.add(id);
    if (!outcome.ok) return;
    this[action === "add" ? "added" : "removed"].add(id);
    this.sessions.set(client, { cart: next, context: outcome.context });
  }

  private cut(at: string): void {
    this.cluster.network.partition([[at], this.cluster.ids.filter((id) => id !== at)]);
  }
}

const EMPTY: Cart = { lines: {}, removed: [] };

function withLine({ lines, removed }: Cart, id: string): Cart {
  return { lines: { ...lines, [id]: { item: id, quantity: 1 } }, removed };
}

function withoutLine({ lines, removed }: Cart, id: string): Cart {
  const { [id]: _taken, ...others } = lines;
  return { lines: others, removed: [...removed, id] };
}

function cartOf({ contents }: View): Cart {
  const siblings = siblingsOf(contents);
  return siblings.length === 0 ? EMPTY : merge(siblings.map(({ value }) => value as Cart));
}

function readCart(cluster: SimCluster, at: string, level: "ONE" | "ALL"): View | undefined {
  const rest = { level, deadlineMs: 300, hedge: DEFAULT_HEDGE, mend: true };
  const outcome = cluster.read(at, { bucket: "carts", key: KEY, ...rest });
  return outcome.ok ? outcome.view : undefined;
}

test("several clients with stale contexts, at nodes that are cut off: what was added is in the cart, what was removed is not", () => {
  const step: fc.Arbitrary<Step> = fc.record({
    client: fc.nat({ max: 3 }),
    node: fc.nat({ max: NODES - 1 }),
    action: fc.constantFrom("read", "add", "add", "add", "remove", "cut", "heal", "wait"),
  });
  let siblingsSeen = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 25 }), (steps) => {
      const cluster = new SimCluster({ seed: "carts", nodes: NODES, bucket: { type: "siblings" } });
      cluster.startAll();
      const shop = new Shop(cluster);
      for (const each of steps) shop.run(each);
      cluster.network.heal();
      cluster.run(1500);
      const view = readCart(cluster, "n1", "ALL");
      assert.ok(view !== undefined);
      siblingsSeen = Math.max(siblingsSeen, view.contents.length);
      const { lines } = cartOf(view);
      // Whether a removal that failed was applied, nobody knows.
      for (const id of shop.added) if (!shop.taken.has(id)) assert.ok(Object.hasOwn(lines, id), `${id} is lost`);
      for (const id of shop.removed) assert.ok(!Object.hasOwn(lines, id), `${id} came back`);
    }),
    { numRuns: 15 },
  );
  assert.ok(siblingsSeen > 1, "no run had anything to merge");
});

test("over real processes: blind adds are in the cart, a put with its context settles them, what is no cart stays beside it", async () => {
  const bucket = `  carts: { type: siblings, merge: ${JSON.stringify(fileURLToPath(EXAMPLE))} }`;
  const lines = ["buckets:", bucket, "limits: { mergeMsMax: 20000 }"];
  const cluster = await ProcessCluster.create({ nodes: 3, lines });
  try {
    await cluster.startAll();
    const put = async (id: string, value: string, context?: string): Promise<void> => {
      const headers = { "content-type": CART_TYPE, ...(context === undefined ? {} : { "murmur-context": context }) };
      const answer = await cluster.call("PUT", id, "/v1/buckets/carts/keys/ada", Buffer.from(value), headers);
      assert.equal(answer.status, 204, answer.body.toString());
    };
    for (const id of cluster.ids) await put(id, JSON.stringify(withLine(EMPTY, `line of ${id}`)));
    const got = await cluster.get("n2", "carts", "ada");
    const found = JSON.parse(String(got.body)) as Cart;
    assert.deepEqual([got.status, Object.keys(found.lines)], [200, ["line of n1", "line of n2", "line of n3"]]);
    const command = await cluster.command(["get", "carts", "ada"]);
    assert.deepEqual([command.code, JSON.parse(command.out)], [0, found]);
    assert.match(command.err, /^carts\/ada: merged from siblings; a put with --context \S+ settles them\n$/);
    assert.equal((await cluster.command(["resolve", "carts", "ada"])).code, 6);
    await put("n3", JSON.stringify(withoutLine(found, "line of n1")), String(got.headers["murmur-context"]));
    const settled = await cluster.get("n1", "carts", "ada", "?merge=never");
    assert.deepEqual(JSON.parse(String(settled.body)), withoutLine(found, "line of n1"));
    await put("n1", "5");
    assert.equal((await cluster.get("n2", "carts", "ada")).status, 300);
    await refusesToStart(cluster);
  } finally {
    await cluster.close();
  }
});

async function refusesToStart(cluster: ProcessCluster): Promise<void> {
  const [file, wrong] = [join(cluster.folder, "wrong.yaml"), join(cluster.folder, "wrong.js")];
  writeFileSync(wrong, "export default () => {\n  const = 3;\n};\n");
  cluster.writeFile(file, { lines: ["buckets:", "  carts: { type: siblings, merge: ./wrong.js }"] });
  const place = `${wrong}:2: SyntaxError: Unexpected token '='`;
  await assert.rejects(cluster.startAs("wrong", "n1", file), (error: Error) => error.message.includes(place));
}
