/** Questions that travel together, on a clock and a network made of arrays. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import fc from "fast-check";
import { Gather } from "../../src/coordinator/gather.js";
import { GroupingClock } from "../../src/coordinator/grouping-clock.js";
import { SimClock } from "../../src/sim/clock.js";
import type { Reply, Request } from "../../src/wire/messages.js";

interface Sent {
  readonly to: string;
  readonly request: Request;
  readonly timeoutMs: number;
  readonly onReply: (reply: Reply | undefined) => void;
  recalled: number;
}

let nowMs: number;
let sent: Sent[];
let queue: (() => void)[];
beforeEach(() => {
  [nowMs, sent, queue] = [0, [], []];
});

const LIMITS = { gatherItemsMax: 3, gatherBytesMax: 1000, batchAnswerBytesMax: 1000 };

function gatherOf(limits: Partial<typeof LIMITS> = {}): Gather {
  return new Gather({
    rpc: {
      call(to, request, timeoutMs, onReply) {
        const message: Sent = { to, request, timeoutMs, onReply: onReply as Sent["onReply"], recalled: 0 };
        sent.push(message);
        return () => {
          message.recalled++;
        };
      },
    },
    clock: {
      nowMs: () => nowMs,
      after(_delayMs, fn) {
        queue.push(fn);
        return () => {};
      },
    },
    limits: { ...LIMITS, ...limits },
    later: (step) => queue.push(step),
  });
}

/** What is still to be done in a turn. */
function endTurn(): void {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) next();
}

function ask(gather: Gather, to: string, row: number, answers: unknown[], timeoutMs = 100): () => void {
  return gather.call(to, { kind: "read", rows: [Uint8Array.of(row)] }, timeoutMs, (reply) => {
    answers.push([row, reply?.kind === "read-reply" ? reply.answers.map(({ state }) => state?.[0]) : reply?.kind]);
  });
}

function rowsOf(message: Sent): number[] {
  assert.ok(message.request.kind === "read");
  return message.request.rows.map((row) => row[0] as number);
}

/** A reply about the first `count` rows of a message: each row's state is its own number. */
function reply(message: Sent, count = 3): Reply {
  const answers = rowsOf(message)
    .slice(0, count)
    .map((row) => ({ status: "found", votes: true, state: Uint8Array.of(row) }) as const);
  return { kind: "read-reply", answers };
}

test("questions of one turn to one node are one message, bounded in items", () => {
  const [gather, answers] = [gatherOf(), [] as unknown[]];
  for (const row of [1, 2, 3, 4]) ask(gather, "n1", row, answers);
  ask(gather, "n2", 5, answers);
  assert.equal(sent.length, 0);
  endTurn();
  assert.deepEqual(
    sent.map((message) => [message.to, rowsOf(message)]),
    [
      ["n1", [1, 2, 3]],
      ["n1", [4]],
      ["n2", [5]],
    ],
  );
  for (const message of sent.toReversed()) message.onReply(reply(message));
  assert.deepEqual(
    answers,
    [5, 4, 1, 2, 3].map((row) => [row, [row]]),
  );
});

test("messages are bounded in bytes, and one item fits always", () => {
  const gather = gatherOf({ gatherItemsMax: 100, gatherBytesMax: 10 });
  const sizes = [4, 4, 4, 50, 1];
  for (const size of sizes) gather.call("n1", { kind: "read", rows: [new Uint8Array(size)] }, 100, () => {});
  endTurn();
  const shipped = sent.map(({ request }) => request.kind === "read" && request.rows.map((row) => row.length));
  assert.deepEqual(shipped, [[4, 4], [4], [50], [1]]);
});

test("only what asks the same shares a message; whatever is plural already goes as it is", () => {
  const gather = gatherOf();
  const entry = { row: Uint8Array.of(1), state: Uint8Array.of(1), bornAtUs: 0 };
  gather.call("n1", { kind: "merge", cause: "write", entries: [entry] }, 100, () => {});
  gather.call("n1", { kind: "merge", cause: "mend", entries: [entry] }, 100, () => {});
  gather.call("n1", { kind: "merge", cause: "write", entries: [entry] }, 100, () => {});
  for (const keysMax of [5, 5, 6]) {
    gather.call("n1", { kind: "scan", bucket: "b", keysMax, positions: [Uint8Array.of(1)] }, 100, () => {});
  }
  gather.call("n1", { kind: "ping", actor: 1n, boundUs: 1, gossip: new Uint8Array(0) }, 100, () => {});
  gather.call("n1", { kind: "read", rows: [Uint8Array.of(1), Uint8Array.of(2)] }, 100, () => {});
  assert.deepEqual(
    sent.map(({ request }) => request.kind),
    ["ping", "read"],
  );
  endTurn();
  const counts = sent.map(({ request }) => {
    if (request.kind === "merge") return `${request.cause} ${request.entries.length}`;
    return request.kind === "scan" ? `scan ${request.positions.length}` : request.kind;
  });
  assert.deepEqual(counts, ["ping", "read", "write 2", "mend 1", "scan 2", "scan 1"]);
});

test("what a reply leaves out is asked again, within the time that is left", () => {
  const [gather, answers] = [gatherOf(), [] as unknown[]];
  for (const row of [1, 2, 3]) ask(gather, "n1", row, answers);
  endTurn();
  nowMs = 40;
  (sent[0] as Sent).onReply(reply(sent[0] as Sent, 1));
  endTurn();
  assert.deepEqual(answers, [[1, [1]]]);
  const again = sent[1] as Sent;
  assert.deepEqual([rowsOf(again), again.timeoutMs], [[2, 3], 60]);
  again.onReply(reply(again));
  assert.deepEqual(answers.slice(1), [
    [2, [2]],
    [3, [3]],
  ]);
});

test("silence, a refusal and an empty reply are each asker's own", () => {
  const replies: (Reply | undefined)[] = [
    undefined,
    { kind: "refused", reason: "wrong-layout" },
    { kind: "read-reply", answers: [] },
  ];
  for (const [index, each] of replies.entries()) {
    const [gather, answers] = [gatherOf(), [] as unknown[]];
    for (const row of [1, 2]) ask(gather, "n1", row, answers);
    endTurn();
    (sent[index] as Sent).onReply(each);
    const told = each?.kind === "read-reply" ? [] : each?.kind;
    assert.deepEqual(answers, [
      [1, told],
      [2, told],
    ]);
  }
  endTurn();
  assert.equal(sent.length, 3);
});

test("once stopped, what a reply leaves out is not asked again", () => {
  const [gather, answers] = [gatherOf(), [] as unknown[]];
  for (const row of [1, 2]) ask(gather, "n1", row, answers);
  endTurn();
  gather.stop();
  (sent[0] as Sent).onReply(reply(sent[0] as Sent, 1));
  endTurn();
  assert.equal(sent.length, 1);
  assert.deepEqual(answers, [
    [1, [1]],
    [2, undefined],
  ]);
});

test("what nobody wants any more, or cannot come in time, is not asked again", () => {
  const [gather, answers] = [gatherOf(), [] as unknown[]];
  const recalls = [1, 2, 3].map((row) => ask(gather, "n1", row, answers, row === 3 ? 10 : 100));
  endTurn();
  recalls[1]?.();
  nowMs = 10;
  (sent[0] as Sent).onReply(reply(sent[0] as Sent, 1));
  endTurn();
  assert.equal(sent.length, 1);
  assert.deepEqual(answers, [
    [1, [1]],
    [2, undefined],
    [3, undefined],
  ]);
});

test("of one node no more is heard than there is room for; when all is at its end, that is told", () => {
  const [gather, answers] = [gatherOf({ batchAnswerBytesMax: 1 }), [] as unknown[]];
  let told = 0;
  gather.onFull = () => told++;
  for (const row of [1, 2, 3]) for (const to of ["n1", "n2"]) ask(gather, to, row, answers);
  endTurn();
  const [first, second] = sent as [Sent, Sent];
  first.onReply(reply(first, 2));
  endTurn();
  const last = sent[2] as Sent;
  assert.deepEqual([last.to, rowsOf(last)], ["n1", [3]]);
  second.onReply({ kind: "read-reply", answers: [{ status: "found", votes: true, state: new Uint8Array(3) }] });
  endTurn();
  assert.deepEqual([sent.length, told], [3, 0]);
  last.onReply(reply(last));
  assert.deepEqual([answers.length, told], [6, 1]);
});

test("a message is recalled when none of its answers is wanted any more, and once", () => {
  const [gather, answers] = [gatherOf(), [] as unknown[]];
  const recalls = [1, 2, 3].map((row) => ask(gather, "n1", row, answers));
  endTurn();
  recalls[0]?.();
  recalls[0]?.();
  recalls[1]?.();
  assert.equal(sent[0]?.recalled, 0);
  recalls[2]?.();
  recalls[2]?.();
  assert.equal(sent[0]?.recalled, 1);
});

test("every asker is called back exactly once, whatever replies leave out", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom("n1", "n2"), fc.nat({ max: 9 }))),
      fc.func(fc.nat({ max: 3 })),
      (asked, upTo) => {
        [sent, queue] = [[], []];
        const [gather, answers] = [gatherOf(), [] as unknown[]];
        for (const [to, row] of asked) ask(gather, to, row, answers);
        endTurn();
        for (let next = 0; next < sent.length; next++) {
          const message = sent[next] as Sent;
          const count = upTo(next);
          message.onReply(count === 0 ? undefined : reply(message, count));
          endTurn();
        }
        assert.equal(answers.length, asked.length);
      },
    ),
  );
});

test("timers set in one turn for one moment are one timer, and those cancelled do not run", () => {
  const world = new SimClock();
  const clock = new GroupingClock(world, (step) => queue.push(step));
  const ran: string[] = [];
  let cancelThird = () => {};
  clock.after(5, () => {
    ran.push(`first at ${world.nowMs()}`);
    cancelThird();
  });
  const cancelSecond = clock.after(5, () => ran.push("second"));
  cancelThird = clock.after(5, () => ran.push("third"));
  clock.after(5, () => ran.push("fourth"));
  clock.after(6, () => ran.push("later"));
  cancelSecond();
  endTurn();
  assert.ok(world.step());
  assert.deepEqual(ran, ["first at 5", "fourth"]);
  assert.ok(world.step());
  assert.deepEqual(ran.slice(2), ["later"]);
  assert.ok(!world.step());
});

test("a group whose timers are all cancelled is no timer any more", () => {
  const world = new SimClock();
  const clock = new GroupingClock(world, (step) => queue.push(step));
  const cancels = [clock.after(5, assert.fail), clock.after(5, assert.fail)];
  for (const cancel of cancels) cancel();
  assert.ok(!world.step());
});

test("time stands still within a turn, and goes on with the next", () => {
  const world = new SimClock();
  const clock = new GroupingClock(world, (step) => queue.push(step));
  assert.equal(clock.nowMs(), 0);
  world.runUntil(7);
  assert.equal(clock.nowMs(), 0);
  endTurn();
  assert.equal(clock.nowMs(), 7);
});
