/**
 * The shopping cart of the Dynamo paper (DeCandia and others 2007, sections 2.3 and 4.4) as a merge function:
 * "an add to cart operation can never be forgotten or rejected".
 *
 * A cart is JSON: { "lines": { "<id>": { "item": "tea", "quantity": 2 } }, "removed": ["<id>"] }. Each add is a line
 * under an id of its own, such as crypto.randomUUID(), so that two adds of the same item are two lines and none of
 * them is taken for the other. A client removes a line by its id: it goes from `lines` and into `removed`. So a line
 * that somebody took out does not come back with a sibling that still has it, as it may in the paper.
 *
 * Given carts in any order, grouped in any way, any of them twice, the result is the same.
 *
 * @type {import("murmurdb").MergeFunction}
 */
export default function mergeCarts(siblings) {
  const removed = new Set();
  const lines = new Map();
  for (const { value: cart } of siblings) {
    // What is thrown here leaves the siblings as they are: nothing is lost by it.
    if (!isCart(cart)) throw new TypeError("a sibling is no cart");
    for (const id of cart.removed) removed.add(id);
    for (const [id, line] of Object.entries(cart.lines)) lines.set(id, line);
  }
  for (const id of removed) lines.delete(id);
  return { lines: Object.fromEntries([...lines].sort(byId)), removed: [...removed].sort() };
}

function isCart(cart) {
  return typeof cart === "object" && cart !== null && typeof cart.lines === "object" && Array.isArray(cart.removed);
}

function byId([a], [b]) {
  return a < b ? -1 : 1;
}
