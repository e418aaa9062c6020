import assert from "node:assert/strict";
import { test } from "node:test";
import type { Level } from "../../src/config.js";
import { type Owner, planFor, quorumOf } from "../../src/coordinator/plan.js";

/** `a1 ~a2 !b1`: owners in preference order, the letter is the datacenter, `~` is avoided, `!` is down. */
function owners(text: string): Owner[] {
  return text.split(" ").map((word) => {
    const node = word.replace(/^[!~]/, "");
    return {
      ...{ node, datacenter: node[0] as string },
      ...{ alive: !word.startsWith("!"), avoided: word.startsWith("~") },
    };
  });
}

/** Groups as `2 of a1,a2,a3`, or the failure's kind and counts. */
function planned(level: Level, text: string, self = "a1"): string {
  const plan = planFor(level, owners(text), { self, datacenter: self[0] as string });
  if (!plan.ok) return `${plan.kind} ${plan.alive}/${plan.required}`;
  const groups = plan.groups.map(({ needed, owners }) => `${needed} of ${owners.map(({ node }) => node).join(",")}`);
  return `${groups.join(" + ")}${plan.takesHints ? " or a hint" : ""}`;
}

const TABLE: readonly (readonly [level: Level, owners: string, self: string, expected: string])[] = [
  ["ONE", "a1 a2 a3", "a1", "1 of a1,a2,a3"],
  ["ONE", "a1 a2 a3", "a3", "1 of a3,a1,a2"],
  ["ONE", "a1 a2 a3", "a9", "1 of a1,a2,a3"],
  ["ONE", "!a1 !a2 a3", "a9", "1 of a3,a1,a2"],
  ["ONE", "!a1 !a2 !a3", "a9", "unavailable 0/1"],
  ["TWO", "a1 a2 !a3", "a9", "2 of a1,a2,a3"],
  ["TWO", "a1", "a1", "bad-level 0/0"],
  ["THREE", "a1 a2 a3", "a1", "3 of a1,a2,a3"],
  ["THREE", "a1 a2 !a3", "a1", "unavailable 2/3"],
  ["QUORUM", "a1", "a1", "1 of a1"],
  ["QUORUM", "a1 a2", "a1", "2 of a1,a2"],
  ["QUORUM", "a1 a2 a3", "a1", "2 of a1,a2,a3"],
  ["QUORUM", "a1 a2 a3 a4 a5", "a1", "3 of a1,a2,a3,a4,a5"],
  ["QUORUM", "!a1 a2 a3", "a3", "2 of a3,a2,a1"],
  ["QUORUM", "!a1 !a2 a3", "a3", "unavailable 1/2"],
  ["ALL", "a1 a2 a3", "a1", "3 of a1,a2,a3"],
  ["ALL", "a1 a2 !a3", "a1", "unavailable 2/3"],
  [2, "a1 a2 a3", "a1", "2 of a1,a2,a3"],
  [4, "a1 a2 a3", "a1", "bad-level 0/0"],
  [0, "a1 a2 a3", "a1", "bad-level 0/0"],
  ["QUORUM", "b1 a1 b2 a2", "a1", "3 of a1,a2,b1,b2"],
  ["LOCAL_ONE", "b1 a1 b2 a2", "a9", "1 of a1,a2"],
  ["LOCAL_QUORUM", "b1 a1 b2 a2 a3", "a9", "2 of a1,a2,a3"],
  ["LOCAL_QUORUM", "!b1 a1 !b2 a2 a3", "a9", "2 of a1,a2,a3"],
  ["LOCAL_QUORUM", "b1 !a1 b2 !a2 a3", "a9", "unavailable 1/2"],
  ["LOCAL_QUORUM", "b1 b2", "a9", "bad-level 0/0"],
  ["EACH_QUORUM", "b1 a1 b2 a2 b3 a3", "a3", "2 of b1,b2,b3 + 2 of a3,a1,a2"],
  ["EACH_QUORUM", "b1 a1 !b2 a2 !b3 a3", "a3", "unavailable 3/4"],
  ["ONE", "~a1 a2 a3", "a9", "1 of a2,a3,a1"],
  ["ONE", "~a1 ~a2 ~a3", "a9", "1 of a1,a2,a3"],
  ["QUORUM", "~a1 !a2 a3", "a3", "2 of a3,a1,a2"],
  ["QUORUM", "~a1 a2 a3", "a1", "2 of a1,a2,a3"],
  ["QUORUM", "b1 ~a1 b2 a2", "a9", "3 of a2,b1,b2,a1"],
  ["ANY", "a1 a2 a3", "a1", "1 of a1,a2,a3 or a hint"],
  ["ANY", "!a1 !a2 !a3", "a9", "1 of a1,a2,a3 or a hint"],
  ["ANY", "!b1", "a9", "1 of b1 or a hint"],
];

for (const [level, text, self, expected] of TABLE) {
  test(`${level} at ${self} of [${text}] is ${expected}`, () => assert.equal(planned(level, text, self), expected));
}

test("a refusal names the level, the counts and who is down", () => {
  const plan = planFor("QUORUM", owners("!a1 !a2 a3"), { self: "a3", datacenter: "a" });
  assert.equal(plan.ok ? "" : plan.detail, "QUORUM needs 2 of 3 owners, 1 alive; down: a1, a2");
  const each = planFor("EACH_QUORUM", owners("a1 b1 a2 !b2"), { self: "a1", datacenter: "a" });
  assert.equal(each.ok ? "" : each.detail, "EACH_QUORUM needs 2 of 2 owners in b, 1 alive; down: b2");
});

test("quorums of one size intersect, and only quorums do: W > N/2 and R+W > N (Gifford 1979)", () => {
  for (let count = 1; count <= 25; count++) {
    assert.ok(2 * quorumOf(count) > count);
    assert.ok(2 * (quorumOf(count) - 1) <= count);
  }
});
