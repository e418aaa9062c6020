/**
 * Every command with its arguments, options and examples. What a command does
 * is in the file it imports when it runs.
 */
import { readFileSync } from "node:fs";
import { Command, Option } from "commander";
import { addClusterCommands } from "./cluster-commands.js";
import { CONFIG, declare, examples, JSON_OUT, LEVEL, NODE, type OnExit } from "./declare.js";
import type { ExitCode } from "./exit.js";
import { addKeyCommands } from "./key-commands.js";

/** How the command went, for main.ts. */
export interface Outcome {
  exitCode: ExitCode;
  /** Whether it was asked for JSON, so that a failure is told as JSON too. */
  json: boolean;
}

const EXIT_CODES = `
Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 consistency level not met, 5 unreachable,
6 siblings need a decision. Data goes to stdout, everything else to stderr.`;

export function buildProgram(outcome: Outcome): Command {
  const onExit: OnExit = (exitCode) => {
    outcome.exitCode = exitCode;
  };
  const program = new Command("murmur")
    .description("A leaderless, always-writable, replicated datastore.")
    .option("--version", "print the version")
    .exitOverride()
    .showHelpAfterError("(murmur --help shows the commands)")
    .addHelpText(
      "before",
      examples("murmur up", 'murmur put users ada \'{"name":"Ada"}\'', "murmur get users ada --trace"),
    )
    .addHelpText("after", EXIT_CODES);
  program.hook("preAction", (_program, command) => {
    outcome.json = command.opts().json === true;
  });
  program.on("option:version", () => {
    process.stdout.write(`${ownVersion()}\n`);
    process.exit();
  });
  addProcessCommands(program, onExit);
  addKeyCommands(program, onExit);
  addClusterCommands(program, onExit);
  addImportCommand(program, onExit);
  addBenchCommand(program, onExit);
  addSimulateCommand(program, onExit);
  addConfigCommands(program, onExit);
  return program;
}

function addProcessCommands(program: Command, onExit: OnExit): void {
  declare(program, "up", "start all nodes of the file on this machine, one process each", [
    "murmur up",
    "murmur up --data /tmp/murmur",
  ])
    .addOption(CONFIG())
    .option("--data <dir>", "the folder for all nodes' data (else the file's)")
    .addOption(JSON_OUT())
    .action(async (options) => onExit(await (await import("./up.js")).up(options)));
  declare(program, "node", "run one node in the foreground", ["murmur node n1 --config /etc/murmur/cluster.yaml"])
    .argument("<id>", "which of the file's nodes")
    .addOption(CONFIG())
    .option("--data <dir>", "the folder for all nodes' data (else the file's)")
    .option(
      "--new-cluster",
      "only for a cluster that has never stored anything: an owner whose disk was lost would vote while it is empty",
    )
    .addOption(JSON_OUT())
    .action(async (id, options) => (await import("./node.js")).node(id, options));
}

function addImportCommand(program: Command, onExit: OnExit): void {
  declare(program, "import", "store every record of an NDJSON or CSV file under one of its fields", [
    "murmur import cities.ndjson --bucket cities --key cityId",
    "murmur import users.csv --bucket users --key email --concurrency 128 --resume",
  ])
    .argument("<file>", "ends in .ndjson, .jsonl or .csv (with a header row)")
    .requiredOption("--bucket <bucket>", "where to store")
    .requiredOption("--key <field>", "the field that is the key; a.b reaches into a")
    .addOption(LEVEL().default("QUORUM"))
    .option("--concurrency <count>", "records under way at once", "64")
    .option("--resume", "go on where an earlier run of the same import ended")
    .option("--state <file>", "where to keep the checkpoint (else FILE.murmur-import)")
    .addOption(CONFIG())
    .addOption(NODE())
    .addOption(JSON_OUT())
    .action(async (file, options) => onExit(await (await import("./import.js")).importFile(file, options)));
}

function addBenchCommand(program: Command, onExit: OnExit): void {
  declare(program, "bench", "measure how long this cluster takes to answer, at a steady rate of requests", [
    "murmur bench",
    "murmur bench --compare --rate 1000 --seconds 30",
    "murmur bench --mix A --value-bytes 1024 --distribution uniform --consistency ONE",
  ])
    .option("--rate <count>", "requests a second, due whether or not the last was answered", "500")
    .option("--seconds <count>", "how long to measure (with --compare, each side)", "10")
    .option("--mix <name>", "A: half reads, half writes; B: 95 % reads; C or reads: nothing else", "reads")
    .option("--keys <count>", "different keys", "10000")
    .addOption(
      new Option("--distribution <name>", "which keys: a few of them mostly, or all alike")
        .choices(["zipfian", "uniform"])
        .default("zipfian"),
    )
    .option("--value-bytes <count>", "length of each value", "100")
    .option("--bucket <bucket>", "where the keys are written, to stay there", "murmur-bench")
    .addOption(LEVEL().default("QUORUM"))
    .option("--hedge <policy>", "when a read asks one more replica, such as never or p95 (else the cluster's policy)")
    .option("--compare", "take turns between hedge never and the cluster's policy")
    .addOption(CONFIG())
    .addOption(NODE())
    .addOption(JSON_OUT())
    .action(async (options) => onExit(await (await import("./bench.js")).bench(options)));
}

function addSimulateCommand(program: Command, onExit: OnExit): void {
  declare(program, "simulate", "run whole clusters on virtual time, with the faults that a seed draws", [
    "murmur simulate --seeds 100",
    "murmur simulate --seed 7 --trace",
    "murmur simulate --seed 7 --shrink",
  ])
    .option("--seed <first>", "the seed, or the first of several", "1")
    .option("--seeds <count>", "how many seeds, each run twice", "1")
    .option("--trace", "print all that happened to one seed")
    .option("--shrink", "look for the same failure in fewer steps, and print those")
    .addOption(JSON_OUT())
    .action(async (options) => onExit(await (await import("./simulate.js")).simulate(options)));
}

function addConfigCommands(program: Command, onExit: OnExit): void {
  const config = declare(program, "config", "about the cluster's file", ["murmur config check"]).helpCommand(false);
  declare(config, "check", "say what is wrong with a cluster file: exit code 2 if anything is", [
    "murmur config check",
    "murmur config check /etc/murmur/cluster.yaml",
  ])
    .argument("[file]", "else --config, else MURMUR_CONFIG, else ./cluster.yaml")
    .addOption(CONFIG())
    .addOption(JSON_OUT())
    .action(async (file, options) => onExit(await (await import("./config-check.js")).configCheck(file, options)));
}

function ownVersion(): string {
  const manifest = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
