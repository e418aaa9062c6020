/** Words that go out into the world: into a shell by copy and paste, into a pipe and back. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { test } from "node:test";
import { buildProgram } from "../src/cli/commands.js";
import { commandLine, shellWord } from "../src/cli/shell.js";
import { inOneLine, keyLine, keyOfLine } from "../src/cli/terminal.js";

const STRANGE = [
  "plain-1.2_3",
  "größe",
  "",
  "a b",
  "x;reboot",
  "$(reboot)`reboot`",
  "a'b\"c\\d",
  "=ls",
  "~",
  "*?[a]{b,c}",
  "!!",
  "#",
  "a\tb",
  "line\nbreak\r",
  "'\u0007!\\t1'",
  "\u001b[31mred",
  "\u009b31m",
  "a\u20282\u202e\ufeff",
  "👨‍👩‍👧é",
  '"quoted"',
  '"',
];

test("a word for a shell: plain where it may be, quoted where it must be", () => {
  const words = ["ada", "a=b", "x;reboot", "it's", "a\tb", "a\u0001'7", "", "=ls", "ä\u00a0b"];
  assert.deepEqual(words.map(shellWord), [
    "ada",
    "a=b",
    "'x;reboot'",
    "'it'\\''s'",
    "$'a\\tb'",
    "$'a\\001\\0477'",
    "''",
    "'=ls'",
    "$'ä\\302\\240b'",
  ]);
});

test("bash takes each word for what it was", (context) => {
  const script = `printf '%s\\0' ${STRANGE.map(shellWord).join(" ")}`;
  const { stdout, error } = spawnSync("bash", ["--norc", "-c", script], { encoding: "utf8" });
  if (error !== undefined) return context.skip("no bash");
  assert.deepEqual(stdout.split("\0").slice(0, -1), STRANGE);
});

test("a printed command has its options, and takes what begins with a dash for an argument", () => {
  const options = { pick: "N", context: "Y29u", sort: "a b", trace: true, json: false, node: undefined };
  const rest = "--pick N --context Y29u --sort 'a b' --trace";
  const line = (...words: string[]) => commandLine("resolve", words, options).replace(/^npx /, "");
  assert.equal(line("carts", "x;y"), `murmur resolve carts 'x;y' ${rest}`);
  assert.equal(line("carts", "-x"), `murmur resolve ${rest} -- carts -x`);
  const program = buildProgram({ exitCode: 0, json: false });
  const resolve = program.commands.find((each) => each.name() === "resolve");
  resolve?.action(() => {});
  program.parse(["resolve", "--pick", "1", "--sort", "-s", "--", "carts", "--node"], { from: "user" });
  assert.deepEqual([resolve?.args, resolve?.opts()], [["carts", "--node"], { pick: "1", sort: "-s" }]);
});

test("a key is a line of its own, and read back from it", async () => {
  const keys = STRANGE.filter((key) => key !== "");
  const lines: string[] = [];
  const input = Readable.from([`${keys.map(keyLine).join("\n")}\n`]);
  for await (const line of createInterface({ input })) lines.push(line);
  assert.deepEqual(lines.map(keyOfLine), keys);
  assert.deepEqual(['"half', 'a "b"', '"a" b', '"\\u0061"'].map(keyOfLine), ['"half', 'a "b"', '"a" b', "a"]);
  assert.deepEqual(["\u009b31m", "a\u2028b", '"a"'].map(inOneLine), ['"\\u009b31m"', '"a\\u2028b"', '"a"']);
});
