/** Users' merge functions: what they are given, what may come back, and that nothing they do holds up a node. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { utf8 } from "../src/base/bytes.js";
import { DEFAULT_LIMITS, type Limits } from "../src/config.js";
import type { Content } from "../src/lattice/lattice.js";
import { contentOf, siblingsOf } from "../src/real/merge-function.js";
import { type MergeRefusal, Mergers } from "../src/real/mergers.js";
import { PromMeter } from "../src/real/meter.js";
import { configOf } from "./http-harness.js";

const folder = mkdtempSync(join(tmpdir(), "murmur-merge-"));
after(() => rmSync(folder, { recursive: true }));

/** A function that merges at once, whatever else the machine does. */
const PATIENT = { mergeMsMax: 20_000 };

interface Opened {
  readonly refusal: string | undefined;
  readonly warnings: string[];
  readonly file: string;
  merge(contents: readonly Content[]): Promise<Content | undefined>;
  counted(result: string): number;
  close(): void;
}

async function open(name: string, text: string, limits: Partial<Limits> = PATIENT): Promise<Opened> {
  const file = join(folder, name);
  writeFileSync(file, text);
  const { defaults } = configOf({});
  const meter = new PromMeter();
  const warnings: string[] = [];
  const log = { info: () => {}, warn: (sentence: string) => void warnings.push(sentence) };
  const config = { buckets: new Map(), defaults: { ...defaults, mergeFile: file } };
  const mergers = new Mergers(config, { limits: { ...DEFAULT_LIMITS, ...limits }, meter, log });
  const [refusal] = await new Promise<readonly MergeRefusal[]>((resolve) => mergers.open(resolve));
  const merge = (contents: readonly Content[]) =>
    new Promise<Content | undefined>((resolve) => mergers.merge("b", "ada", contents, resolve));
  const counted = (result: string) =>
    meter.readings("murmur_user_merges_total").find(({ labels }) => labels.result === result)?.value ?? 0;
  return { refusal: refusal?.sentence, warnings, file, merge, counted, close: () => mergers.close() };
}

const json = (value: unknown): Content => ({ contentType: "application/json", value: utf8(JSON.stringify(value)) });
const TWO = [json([1]), json([2])];

function textOf(content: Content | undefined): string | undefined {
  return content === undefined ? undefined : Buffer.from(content.value).toString();
}

test("a function is given parsed values and the key's name, and may take its time to answer", async () => {
  const opened = await open(
    "tell.js",
    "export default async (siblings, { bucket, key }) => ({ bucket, key, all: siblings.map(({ value }) => value).flat() });",
  );
  assert.equal(opened.refusal, undefined);
  assert.equal(textOf(await opened.merge(TWO)), '{"bucket":"b","key":"ada","all":[1,2]}');
  const many = await Promise.all(Array.from({ length: 20 }, () => opened.merge(TWO)));
  assert.equal(new Set(many.map(textOf)).size, 1);
  assert.deepEqual([opened.counted("merged"), opened.counted("failed")], [21, 0]);
  opened.close();
});

test("values are parsed by their types, and what is returned becomes bytes by the same rules", () => {
  const bytes = Uint8Array.of(1, 2);
  const contents = [
    json({ a: 1 }),
    { contentType: "text/css", value: utf8("b") },
    { contentType: "x/y", value: bytes },
  ];
  assert.deepEqual(
    siblingsOf(contents).map(({ value }) => value),
    [{ a: 1 }, "b", bytes],
  );
  assert.ok(siblingsOf([{ contentType: "application/json", value: utf8("{") }])[0]?.value instanceof Uint8Array);
  const [same, texts] = [
    [json(1), json(2)],
    [contents[1] as Content, contents[1] as Content],
  ];
  const table: [returned: unknown, siblings: readonly Content[], expected: string][] = [
    [{ a: 2 }, same, 'application/json {"a":2}'],
    ["text", same, 'application/json "text"'],
    ["text", texts, "text/css text"],
    [{ a: 2 }, texts, 'application/json {"a":2}'],
    ["text", contents, "text/plain; charset=utf-8 text"],
    [bytes, contents, "application/octet-stream \u0001\u0002"],
    [null, same, "application/json null"],
    [{ contentType: "a/b", value: "text" }, same, "a/b text"],
    [{ contentType: "a/b", value: { c: 1 } }, same, 'a/b {"c":1}'],
    [{ contentType: "a/b", value: 1, more: 2 }, same, 'application/json {"contentType":"a/b","value":1,"more":2}'],
    [undefined, same, "it returned undefined, which is no value"],
    [() => 1, same, "it returned function, which is no value"],
    [1n, same, "it returned what JSON cannot say: Do not know how to serialize a BigInt"],
  ];
  for (const [returned, siblings, expected] of table) {
    const content = contentOf(returned, siblings);
    assert.equal(typeof content === "string" ? content : `${content.contentType} ${textOf(content)}`, expected);
  }
});

test("a file that is no merge function is refused at the start, with its place", async () => {
  const table: [name: string, text: string, expected: RegExp][] = [
    [
      "syntax.js",
      "export default (siblings) => {\n  const = 3;\n};\n",
      /syntax\.js:2: SyntaxError: Unexpected token '='$/,
    ],
    [
      "throws.js",
      "export default () => 1;\n\nnowhere.to.go();\n",
      /throws\.js:3: ReferenceError: nowhere is not defined$/,
    ],
    [
      "none.js",
      "export const merge = () => 1;\n",
      /none\.js:1: expected a default export that is a function, .* found none$/,
    ],
    [
      "deep.js",
      'import "./syntax.js";\nexport default () => 1;\n',
      /\/syntax\.js:2: SyntaxError: Unexpected token '='$/,
    ],
    ["five.js", "export default 5;\n", /five\.js:1: expected a default export .* found a number$/],
    [
      "import.js",
      'import "./is-not-there.js";\nexport default () => 1;\n',
      /import\.js: Error: Cannot find module .*is-not-there/,
    ],
    ["exit.js", "process.exit(1);\n", /exit\.js: its thread ended$/],
  ];
  for (const [name, text, expected] of table) {
    const opened = await open(name, text);
    assert.match(opened.refusal ?? "", expected);
    assert.ok(opened.refusal?.startsWith(folder));
    assert.equal(await opened.merge(TWO), undefined);
    opened.close();
  }
});

test("a function that throws, returns nothing or too much leaves the siblings, and the log says where", async () => {
  const text = `export default (siblings) => {
  const [{ value: [kind] }] = siblings;
  if (kind === 1) throw new RangeError("not mine");
  if (kind === 2) return undefined;
  return "x".repeat(kind);
};
`;
  const opened = await open("throws-later.js", text, { ...PATIENT, valueBytesMax: 100 });
  for (const kind of [1, 2, 1000]) assert.equal(await opened.merge([json([kind]), json([0])]), undefined);
  assert.deepEqual([opened.counted("failed"), opened.counted("merged")], [3, 0]);
  assert.equal(opened.warnings.length, 1, "not one for each read");
  assert.match(opened.warnings[0] ?? "", /throws-later\.js:3: RangeError: not mine$/);
  assert.equal((await opened.merge([json([50]), json([0])]))?.value.length, 52);
  opened.close();
});

test("a function that hangs or hoards is ended, others wait no longer than they may, and it is tried again", async () => {
  const text = `export default ([{ value: [kind] }]) => {
  while (kind === 1);
  const hoard = [];
  while (kind === 2) hoard.push(new Array(100_000).fill({}));
  return "done";
};
`;
  const opened = await open("hangs.js", text, { mergeMsMax: 400, mergeHeapBytesMax: 8 * 1024 * 1024 });
  const merged = async (): Promise<void> => {
    // It rests, and starts: until then the siblings are the answer.
    while ((await opened.merge([json([0]), json([0])])) === undefined) await new Promise(setImmediate);
  };
  await merged();
  const hanging = opened.merge([json([1]), json([0])]);
  const waiting = opened.merge(TWO);
  assert.deepEqual(await Promise.all([hanging, waiting]), [undefined, undefined]);
  assert.deepEqual([opened.counted("timeout")], [1]);
  assert.match(opened.warnings[0] ?? "", /hangs\.js: no answer in 400 ms \(mergeMsMax\); its thread is ended$/);
  await merged();
  const before = opened.counted("failed") + opened.counted("timeout");
  assert.equal(await opened.merge([json([2]), json([0])]), undefined);
  assert.equal(opened.counted("failed") + opened.counted("timeout"), before + 1);
  await merged();
  opened.close();
  assert.equal(await opened.merge(TWO), undefined);
});

test("as many wait as may, and what waits when a node stops is answered with the siblings", async () => {
  const never = "export default () => new Promise(() => {});";
  const opened = await open("never.js", never, { ...PATIENT, mergesPendingMax: 2 });
  const waiting = Array.from({ length: 5 }, () => opened.merge(TWO));
  assert.equal(opened.counted("busy"), 2, "one runs, and two wait");
  opened.close();
  assert.deepEqual(await Promise.all(waiting), new Array(5).fill(undefined));
  assert.equal(opened.counted("busy"), 5);
});
