/** Each command's help begins with examples of that very command. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "commander";
import { buildProgram } from "../src/cli/commands.js";

/** Itself and all below it, each with the words by which it is called. */
function allOf(command: Command, words: readonly string[]): [Command, readonly string[]][] {
  const below = command.commands.flatMap((each) => allOf(each, [...words, each.name()]));
  return [[command, words], ...below];
}

function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({
    writeOut: (more) => {
      text += more;
    },
  });
  command.outputHelp();
  return text;
}

test("help begins with examples, of groups of commands too", () => {
  const commands = allOf(buildProgram({ exitCode: 0, json: false }), ["murmur"]);
  assert.ok(commands.length > 25);
  for (const [command, words] of commands) {
    const [title, example, ...rest] = helpOf(command).split("\n");
    assert.equal(title, "Examples:", words.join(" "));
    const name = words.join(" ");
    assert.ok(example?.includes(name), `${name}: ${example}`);
    assert.ok(
      rest.some((line) => line.startsWith(`Usage: ${name} `)),
      name,
    );
  }
});
