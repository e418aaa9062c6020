/**
 * What the declarations of commands share: options by one name each, and examples first.
 */
import { type Command, Option } from "commander";
import type { ExitCode } from "./exit.js";

export type OnExit = (exitCode: ExitCode) => void;

export const CONFIG = () =>
  new Option("--config <file>", "the cluster's file (else MURMUR_CONFIG, else ./cluster.yaml)");
export const NODE = () =>
  new Option("--node <url>", "ask this node only, such as http://127.0.0.1:8101").conflicts("config");
export const JSON_OUT = () => new Option("--json", "print JSON for programs");
export const TIMEOUT = () =>
  new Option("--timeout <duration>", "how long to wait for the replicas, such as 500ms or 2s");
export const TRACE = () => new Option("--trace", "draw who was asked, when, and who was behind");
export const ID_KEY = () =>
  new Option("--idempotency-key <name>", "what you call this change: asked for again within a day, it counts once");
export const SORT = () => new Option("--sort <key>", "in a row bucket: which cell of the key");
export const CONTEXT = () => new Option("--context <context>", "what you have read: the write supersedes it");
export const LEVEL = () =>
  new Option(
    "--consistency <level>",
    "ONE, TWO, THREE, QUORUM, ALL, LOCAL_ONE, LOCAL_QUORUM, EACH_QUORUM or a number; for a write also ANY",
  );

export function declare(parent: Command, name: string, description: string, lines: readonly string[]): Command {
  return parent
    .command(name)
    .description(description)
    .addHelpText("before", examples(...lines));
}

export function examples(...lines: readonly string[]): string {
  return `Examples:\n${lines.map((line) => `  ${line}\n`).join("")}`;
}
