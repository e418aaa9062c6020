#!/usr/bin/env node
/**
 * The command `murmur`. Thin on purpose: what a command needs is loaded when
 * it runs, so that `murmur --help` is there at once.
 */
import { CommanderError } from "commander";
import { buildProgram, type Outcome } from "./commands.js";
import { CommandFailure, EXIT, type ExitCode } from "./exit.js";
import { printJson, say, sayFailure } from "./terminal.js";

/** `murmur ring | head`: who has read enough is not an error. */
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(EXIT.ok);
  sayFailure(`stdout: ${error.message}`);
  process.exit(EXIT.failure);
});

/** Nobody listens to the talk: no reason to stop. */
process.stderr.on("error", () => {});

const outcome: Outcome = { exitCode: EXIT.ok, json: false };
try {
  await buildProgram(outcome).parseAsync();
} catch (error) {
  outcome.exitCode = endOf(error, outcome.json);
}
// Set, not enforced: what is still to be written is written.
process.exitCode = outcome.exitCode;

function endOf(error: unknown, json: boolean): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const isExpected = error instanceof CommandFailure;
  const sentence = error instanceof Error ? error.message : String(error);
  sayFailure(sentence);
  if (isExpected && json && error.data !== undefined) printJson(error.data);
  if (!isExpected && process.env.MURMUR_DEBUG !== undefined && error instanceof Error) say(String(error.stack));
  return isExpected ? error.exitCode : EXIT.failure;
}
