/**
 * The commands that ask how a cluster is: their arguments, options and examples.
 */
import type { Command } from "commander";
import { CONFIG, declare, JSON_OUT, NODE, type OnExit } from "./declare.js";

export function addClusterCommands(program: Command, onExit: OnExit): void {
  declare(program, "status", "who is up, as one node sees it", [
    "murmur status",
    "murmur status --node http://127.0.0.1:8103",
  ])
    .addOption(CONFIG())
    .addOption(NODE())
    .addOption(JSON_OUT())
    .action(async (options) => onExit(await (await import("./status.js")).status(options)));
  declare(program, "watch", "follow all nodes live, a line a second", [
    "murmur watch",
    "murmur watch --node http://127.0.0.1:8103",
    "murmur watch --json --count 10",
  ])
    .option("--count <lines>", "end after so many lines of figures (else at Ctrl-C)")
    .addOption(CONFIG())
    .addOption(NODE())
    .addOption(JSON_OUT())
    .action(async (options) => onExit(await (await import("./watch.js")).watch(options)));
  declare(program, "latency", "how long each node waits for each other one", [
    "murmur latency",
    "murmur latency --node http://127.0.0.1:8103 --json",
  ])
    .addOption(CONFIG())
    .addOption(NODE())
    .addOption(JSON_OUT())
    .action(async (options) => onExit(await (await import("./latency.js")).latency(options)));
  declare(program, "top", "the keys that are asked for most, live", [
    "murmur top",
    "murmur top --once --limit 5",
    "murmur top --json | jq -c '.keys[0]'",
  ])
    .option("--once", "one table, and the end (else one every two seconds until Ctrl-C)")
    .option("--limit <count>", "show so many keys (else 20)")
    .addOption(CONFIG())
    .addOption(NODE())
    .addOption(JSON_OUT())
    .action(async (options) => onExit(await (await import("./top.js")).top(options)));
  declare(program, "conflicts", "values that last-writer-wins lost without anybody having looked at them", [
    "murmur conflicts",
    "murmur conflicts --bucket users --limit 100",
    "murmur conflicts --json | jq '.conflicts[].key'",
  ])
    .option("--bucket <bucket>", "only those of this bucket")
    .option("--limit <count>", "show so many (else 20)")
    .addOption(CONFIG())
    .addOption(NODE())
    .addOption(JSON_OUT())
    .action(async (options) => onExit(await (await import("./conflicts.js")).conflicts(options)));
  addUpkeepCommands(program, onExit);
  declare(program, "ring", "how the partitions are spread over the nodes", [
    "murmur ring",
    "murmur ring --partition 17",
  ])
    .option("--partition <number>", "the owners of this one")
    .addOption(CONFIG())
    .addOption(NODE())
    .addOption(JSON_OUT())
    .action(async (options) => onExit(await (await import("./status.js")).ring(options)));
  declare(program, "owners", "where a key lives", ["murmur owners users ada"])
    .argument("<bucket>")
    .argument("<key>")
    .addOption(CONFIG())
    .addOption(NODE())
    .addOption(JSON_OUT())
    .action(async (bucket, key, options) => onExit(await (await import("./status.js")).owners(bucket, key, options)));
}

function addUpkeepCommands(program: Command, onExit: OnExit): void {
  declare(program, "hints", "what is kept for owners that were down", [
    "murmur hints",
    "murmur hints --wait --timeout 10s",
    "murmur hints --json",
  ])
    .option("--wait", "end when all that is kept now has been delivered")
    .option(
      "--timeout <duration>",
      "wait so long at most (else 30s); beyond requestDeadlineMsMax it waits for what is kept meanwhile too",
    )
    .addOption(CONFIG())
    .addOption(NODE())
    .addOption(JSON_OUT())
    .action(async (options) => onExit(await (await import("./hints.js")).hints(options)));
  declare(program, "repair", "make all replicas equal and whole now, and follow it", [
    "murmur repair",
    "murmur repair --check",
    "murmur repair --node http://127.0.0.1:8103 --bucket users",
  ])
    .option("--check", "only count what differs or is damaged")
    .option("--bucket <bucket>", "only the rows of this bucket")
    .addOption(CONFIG())
    .addOption(NODE())
    .addOption(JSON_OUT())
    .action(async (options) => onExit(await (await import("./repair.js")).repair(options)));
}
