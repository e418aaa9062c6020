/** `murmur get` of siblings, `murmur resolve`, and the commands that change counters, sets and maps. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { add, addToFields, editFields, setFields } from "../src/cli/change.js";
import { resolve } from "../src/cli/resolve.js";
import { cut } from "../src/cli/siblings.js";
import { FakeNode, murmur, problem, reply } from "./cli-harness.js";

const base64 = (text: string | Uint8Array) => Buffer.from(text).toString("base64");

/** Values of `carts/ada`, in their order; what a PUT with the context supersedes is gone. */
let siblings: { contentType: string; value: string }[];
let context: string;
let node: FakeNode;

before(async () => {
  node = await FakeNode.start();
});
after(() => node.stop());
beforeEach(() => {
  node.asked.length = 0;
  context = "Y29u";
  siblings = [
    { contentType: "text/plain", value: base64("book") },
    { contentType: "application/json", value: base64('["pen",\n"ink"]') },
    { contentType: "image/png", value: base64(Buffer.from([255, 0])) },
  ];
  node.instead = ({ method, headers, body }, response) => {
    if (method === "POST") return false;
    if (method === "PUT") {
      const isSeen = headers["murmur-context"] === context;
      siblings = [...(isSeen ? [] : siblings), { contentType: String(headers["content-type"]), value: base64(body) }];
      response.writeHead(204, { "Murmur-Context": "bmV3", "Server-Timing": 'n1;dur=1;desc="first same"' }).end();
      return true;
    }
    const [single] = siblings;
    const one = siblings.length === 1 ? single : {};
    const found = { found: siblings.length > 0, ...one, siblings: siblings.length > 1 ? siblings : [] };
    return reply(response, siblings.length > 1 ? 300 : 200, { bucket: "carts", key: "ada", ...found, context });
  };
});

const carts = (words: readonly string[]) => murmur([...words, "--node", node.url]);
const decide = () =>
  "carts/ada: 3 siblings need a decision; keep one of them, or put another value:\n" +
  `  murmur resolve carts ada --pick N --context Y29u --node ${node.url}\n` +
  `  murmur put carts ada VALUE --context Y29u --node ${node.url}\n`;
const rows =
  "#  type              bytes  value\n" +
  "1  text/plain            4  book\n" +
  '2  application/json     14  "[\\"pen\\",\\n\\"ink\\"]"\n' +
  "3  image/png             2  base64:/wA=\n";

test("siblings are shown side by side, with what to do, and are exit code 6", async () => {
  assert.deepEqual(await carts(["get", "carts", "ada"]), { code: 6, stdout: rows, stderr: decide() });
  const json = await carts(["get", "carts", "ada", "--json"]);
  assert.deepEqual([json.code, (JSON.parse(json.stdout) as { siblings: unknown }).siblings], [6, siblings]);
});

test("what a key's name could do to a shell is quoted, and the cell is named", async () => {
  const got = await carts(["get", "carts", "x;reboot", "--sort", "a\tb"]);
  const rest = `--context Y29u --sort $'a\\tb' --node ${node.url}\n`;
  assert.equal(
    got.stderr,
    'carts/x;reboot "a\\tb": 3 siblings need a decision; keep one of them, or put another value:\n' +
      `  murmur resolve carts 'x;reboot' --pick N ${rest}  murmur put carts 'x;reboot' VALUE ${rest}`,
  );
});

test("resolve --json prints what it has read when it writes nothing", async () => {
  for (const words of [[], ["--pick", "1", "--context", "b2xk"]]) {
    const { code, stdout } = await carts(["resolve", "carts", "ada", ...words, "--json"]);
    const { found, siblings: shown } = JSON.parse(stdout) as { found: boolean; siblings: unknown };
    assert.deepEqual([code, found, shown], [6, true, siblings]);
  }
  siblings.length = 1;
  const one = await carts(["resolve", "carts", "ada", "--json"]);
  assert.deepEqual([one.code, (JSON.parse(one.stdout) as { value: string }).value], [0, base64("book")]);
  siblings.length = 0;
  const none = await carts(["resolve", "carts", "ada", "--json"]);
  assert.deepEqual([none.code, (JSON.parse(none.stdout) as { found: boolean }).found], [3, false]);
});

test("a value is cut between two characters as a reader sees them", () => {
  const family = "👨‍👩‍👧";
  assert.equal(cut(`${family}${family}`, 4), `${family}${family}`);
  assert.equal(cut(`${family}${family}`, 3), `${family}…`);
  assert.equal(cut(`${family}${family}${family}`, 4), `${family}…`);
  assert.equal(cut("日本語", 5), "日本…");
  assert.equal(cut("abcdef", 6), "abcdef");
  assert.equal(cut("abcdefg", 6), "abcde…");
});

test("resolve puts the one that was picked in the place of all, with its type and the context that was read", async () => {
  const picked = await carts(["resolve", "carts", "ada", "--pick", "2", "--consistency", "ALL"]);
  assert.equal(picked.code, 0, picked.stderr);
  assert.equal(picked.stdout, rows);
  assert.match(picked.stderr, /^carts\/ada: number 2 is in the place of 3 siblings; what was written meanwhile stays/);
  assert.match(picked.stderr, /\ncontext: bmV3\n$/);
  assert.deepEqual(siblings, [{ contentType: "application/json", value: base64('["pen",\n"ink"]') }]);
  const [read, write] = node.asked;
  assert.deepEqual([String(read?.query), String(write?.query)], ["merge=never", "w=ALL"]);
  const again = await carts(["resolve", "carts", "ada", "--pick", "1"]);
  assert.deepEqual([again.code, again.stderr], [0, "carts/ada: has one value, there is nothing to resolve\n"]);
  assert.equal(node.last.method, "GET");
});

test("resolve puts another value, and says nothing but shows when nothing is chosen", async () => {
  const shown = await carts(["resolve", "carts", "ada"]);
  assert.deepEqual(shown, { code: 6, stdout: rows, stderr: decide() });
  const put = await carts(["resolve", "carts", "ada", "--value", '["book","pen"]', "--json", "--trace"]);
  assert.deepEqual(JSON.parse(put.stdout), { ok: true, context: "bmV3", node: node.url });
  assert.match(put.stderr, /resolve carts\/ada through .*\n {2}n1 .* first, same\n$/);
  assert.deepEqual(siblings, [{ contentType: "application/json", value: base64('["book","pen"]') }]);
  siblings = [];
  assert.equal((await carts(["resolve", "carts", "ada", "--value", "x"])).code, 3);
});

test("a pick from other values than those of the context is refused; a value with it supersedes those alone", async () => {
  const refused = await carts(["resolve", "carts", "ada", "--pick", "2", "--context", "b2xk"]);
  assert.deepEqual([refused.code, refused.stdout], [6, rows]);
  assert.match(refused.stderr, /^carts\/ada: these are other values than those of that context; nothing was written\n/);
  assert.equal(node.last.method, "GET");
  const put = await carts(["resolve", "carts", "ada", "--value", "x", "--context", "b2xk"]);
  assert.equal(put.code, 0, put.stderr);
  assert.deepEqual([node.last.headers["murmur-context"], siblings.length], ["b2xk", 4]);
  assert.equal((await carts(["resolve", "carts", "ada", "--pick", "3", "--context", "Y29u"])).code, 0);
});

test("a pick that is none is a usage error", async () => {
  const none = await carts(["resolve", "carts", "ada", "--pick", "4"]);
  assert.deepEqual([none.code, none.stderr], [2, "murmur: --pick: expected 1 to 3, found 4\n"]);
  for (const options of [{ pick: "0" }, { pick: "x" }, { pick: "1", value: "x" }, { pick: "1", contentType: "a/b" }]) {
    await assert.rejects(resolve("carts", "ada", { ...options, node: node.url }), { exitCode: 2 });
  }
  assert.deepEqual(
    node.asked.map(({ method }) => method),
    ["GET"],
  );
});

test("each change is one POST, and says what it came to", async () => {
  const timing = { "Content-Type": "application/json", "Server-Timing": 'n1;dur=1;desc="first same"' };
  const table: [words: string, op: object, value: unknown, stdout: string, said: string][] = [
    ["add visits home 5", { add: 5 }, 42, "42\n", ""],
    ["add visits home -7", { add: -7 }, -7, "-7\n", ""],
    ["add visits home", { add: 1 }, 1, "1\n", ""],
    ["set add tags ada new red", { add: ["new", "red"] }, ["new", "red"], "", "tags/ada: 2 elements\n"],
    ["set remove tags ada new", { remove: ["new"] }, ["red"], "", "tags/ada: 1 element\n"],
    [
      "map set profiles ada name=Ada age=36 a=b=c",
      { set: { name: "Ada", age: 36, a: "b=c" } },
      { name: "Ada", age: 36, a: "b=c" },
      "",
      "profiles/ada: 3 fields\n",
    ],
    ["map add profiles ada n=-2", { counters: { n: -2 } }, { n: -2 }, "", "profiles/ada: 1 field\n"],
    ["map remove profiles ada n age", { remove: ["n", "age"] }, {}, "", "profiles/ada: 0 fields\n"],
    [
      'map edit profiles ada {"maps":{"m":{"set":{"x":1}}}}',
      { maps: { m: { set: { x: 1 } } } },
      { m: {} },
      "",
      "profiles/ada: 1 field\n",
    ],
  ];
  for (const [words, op, value, stdout, said] of table) {
    node.instead = (_asked, response) => {
      response.writeHead(200, timing).end(JSON.stringify({ value, context: "Y29u" }));
      return true;
    };
    const got = await carts([...words.split(" "), "--consistency", "ALL", "--context", "c2Vu"]);
    assert.deepEqual(got, { code: 0, stdout, stderr: `context: Y29u\n${said}` }, words);
    assert.deepEqual([node.last.method, JSON.parse(String(node.last.body))], ["POST", op]);
    assert.equal(node.last.headers["murmur-context"], "c2Vu");
    assert.equal(String(node.last.query), "w=ALL");
  }
  const traced = await carts(["add", "visits", "home", "1", "--json", "--trace"]);
  assert.match(traced.stderr, /^change visits\/home through .*\n {2}n1 .* first, same\n$/);
  assert.deepEqual(JSON.parse(traced.stdout), { ok: true, value: { m: {} }, context: "Y29u", node: node.url });
});

test("an increment that got no answer is not sent again", async () => {
  node.instead = (_asked, response) => {
    response.destroy();
    return true;
  };
  const got = await carts(["add", "visits", "home", "1"]);
  assert.deepEqual([got.code, node.asked.length], [5, 1]);
  assert.match(got.stderr, /it may have been applied/);
});

test("what makes no sense is refused before a node is asked", async () => {
  const options = { node: node.url };
  const table: [change: () => Promise<unknown>, message: RegExp][] = [
    [() => add("visits", "home", "1.5", options), /^N: expected an integer up to 9007199254740991, found "1\.5"/],
    [() => add("visits", "home", "9007199254740992", options), /^N: expected an integer/],
    [() => setFields("profiles", "ada", ["name"], options), /^expected FIELD=VALUE, found "name"/],
    [() => setFields("profiles", "ada", ["a=1", "a=2"], options), /^the field "a" is given twice/],
    [() => addToFields("profiles", "ada", ["n=x"], options), /^n=x: expected an integer/],
    [() => editFields("profiles", "ada", "5", options), /^expected a JSON object/],
    [() => add("vis its", "home", "1", options), /^a bucket's name is/],
  ];
  for (const [change, message] of table) await assert.rejects(change, { exitCode: 2, message });
  const none = await carts(["set", "add", "tags", "ada"]);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /missing required argument 'items'/);
  assert.equal(node.asked.length, 0);
});

test("a write that would be one sibling too many is exit code 6, and another type's is 1", async () => {
  node.instead = (_asked, response) => problem(response, 409, "too-many-siblings");
  assert.equal((await carts(["put", "carts", "ada", "x"])).code, 6);
  node.instead = (_asked, response) => problem(response, 409, "type-mismatch");
  assert.equal((await carts(["set", "add", "carts", "ada", "x"])).code, 1);
});
