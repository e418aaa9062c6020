import assert from "node:assert/strict";
import { test } from "node:test";
import { untilNone, within } from "../../src/testing/deadline.js";

const never = () => new Promise<never>(() => {});

test("what comes in time is passed on, be it an error", async () => {
  assert.equal(await within(10_000, Promise.resolve("here"), () => "late"), "here");
  await assert.rejects(
    within(10_000, Promise.reject(new Error("broken")), () => "late"),
    /^Error: broken$/,
  );
});

test("what does not come is given up, with the complaint and the lines that may say why", async () => {
  const late = within(
    5,
    never(),
    () => "n1 is late",
    () => "its last line",
  );
  await assert.rejects(late, { message: "n1 is late: given up after 5 ms\nits last line" });
});

test("a question is repeated until nothing is left to complain of", async () => {
  const complaints = [["one", "two"], ["two"], []];
  let asked = 0;
  const ask = async () => complaints[asked++] as string[];
  await untilNone(10_000, ask, () => "");
  assert.equal(asked, 3);
});

test("when something is left at the deadline it is said, and nobody is asked again", async () => {
  let asked = 0;
  const ask = async () => {
    asked++;
    return ["n1 does not see n2", "n2 does not see n1"];
  };
  await assert.rejects(
    untilNone(5, ask, () => ""),
    { message: "n1 does not see n2; n2 does not see n1: given up after 5 ms" },
  );
  const before = asked;
  await untilNone(
    10_000,
    async () => (asked++ < before + 3 ? ["more"] : []),
    () => "",
  );
  assert.equal(asked, before + 4, "only the second question was repeated");
});
