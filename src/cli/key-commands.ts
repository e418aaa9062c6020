/**
 * The commands about one key, or many: their arguments, options and examples.
 */
import { type Command, Option } from "commander";
import {
  CONFIG,
  CONTEXT,
  declare,
  ID_KEY,
  JSON_OUT,
  LEVEL,
  NODE,
  type OnExit,
  SORT,
  TIMEOUT,
  TRACE,
} from "./declare.js";

export function addKeyCommands(program: Command, onExit: OnExit): void {
  declare(program, "get", "print the value of a key, or of many", [
    "murmur get users ada",
    "murmur get users ada --consistency ONE --hedge p95 --trace",
    "murmur get users ada grace alan",
    "cut -f1 names.tsv | murmur get users - --json",
  ])
    .argument("<bucket>")
    .argument(
      "<keys...>",
      "one: its value alone; several: a line KEY, tab, VALUE for each; -: the lines of stdin, those that are JSON strings decoded, as keys prints them",
    )
    .addOption(LEVEL())
    .addOption(TIMEOUT())
    .option("--hedge <policy>", "when to ask one more replica, such as p95, 10ms or never (else the bucket's)")
    .addOption(SORT())
    .option("--merge <when>", "never: siblings as they are, where the bucket has a merge function")
    .addOption(TRACE())
    .addOption(CONFIG())
    .addOption(NODE())
    .addOption(JSON_OUT())
    .action(async (bucket, keys, options) => {
      const [key] = keys;
      if (keys.length === 1 && key !== "-") onExit(await (await import("./keys.js")).get(bucket, key, options));
      else onExit(await (await import("./get-many.js")).getMany(bucket, keys, options));
    });
  declare(
    program,
    "keys",
    "list the keys of a bucket, a line each, in the order of their tokens; as JSON strings where they would break it",
    ["murmur keys users", "murmur keys users --limit 10 --json", "murmur keys users | murmur get users -"],
  )
    .argument("<bucket>")
    .option("--limit <count>", "end after so many keys (else after all)")
    .option("--after <token>", "go on where a listing ended")
    .addOption(LEVEL())
    .addOption(TIMEOUT())
    .addOption(CONFIG())
    .addOption(NODE())
    .addOption(JSON_OUT())
    .action(async (bucket, options) => onExit(await (await import("./list.js")).list(bucket, options)));
  declare(program, "range", "list the cells of a key of a row bucket, in the order of their sort keys", [
    "murmur range timelines ada",
    "murmur range timelines ada --from 2026-11 --to 2026-12",
    "murmur range timelines ada --limit 10 --json",
  ])
    .argument("<bucket>")
    .argument("<key>")
    .option("--from <sort>", "the first sort key (else from the beginning)")
    .addOption(new Option("--after <sort>", "begin behind this one: go on where a range ended").conflicts("from"))
    .option("--to <sort>", "end before this one (else at the end)")
    .option("--limit <count>", "end after so many cells (else after all)")
    .addOption(LEVEL())
    .addOption(TIMEOUT())
    .addOption(CONFIG())
    .addOption(NODE())
    .addOption(JSON_OUT())
    .action(async (bucket, key, options) => onExit(await (await import("./range.js")).range(bucket, key, options)));
  addWriteCommands(program, onExit);
}

function addWriteCommands(program: Command, onExit: OnExit): void {
  const put = declare(program, "put", "store a value", [
    'murmur put users ada \'{"name":"Ada"}\'',
    "murmur put users photo --file ada.jpg --content-type image/jpeg",
    "date | murmur put users now --ttl 60s",
  ])
    .argument("<bucket>")
    .argument("<key>")
    .argument("[value]", "left out, or -: read from stdin")
    .option("--file <file>", "store the bytes of this file")
    .option("--content-type <type>", "else JSON if it is a JSON object or list, and text otherwise")
    .option("--ttl <duration>", "how long it lives, such as 60s or 2h")
    .option("--stamp <microseconds>", "stamp it yourself, where the bucket has clientStamps: true");
  withWriteOptions(put).action(async (bucket, key, value, options) =>
    onExit(await (await import("./keys.js")).put(bucket, key, value, options)),
  );
  const remove = declare(program, "delete", "delete a key", ["murmur delete users ada"])
    .argument("<bucket>")
    .argument("<key>");
  withWriteOptions(remove).action(async (bucket, key, options) =>
    onExit(await (await import("./keys.js")).remove(bucket, key, options)),
  );
  const resolve = declare(program, "resolve", "put one value in the place of a key's siblings", [
    "murmur resolve carts ada",
    "murmur resolve carts ada --pick 2",
    'murmur resolve carts ada --value \'["book","pen"]\'',
  ])
    .argument("<bucket>")
    .argument("<key>")
    .option("--pick <number>", "keep this one of those shown; with --context, only if they are still the same")
    .option("--value <value>", "store this in place of all of them")
    .option("--content-type <type>", "of --value; else JSON if it is a JSON object or list, and text otherwise");
  withWriteOptions(resolve).action(async (bucket, key, options) =>
    onExit(await (await import("./resolve.js")).resolve(bucket, key, options)),
  );
  addCounterCommand(program, onExit);
  addSetCommands(program, onExit);
  addMapCommands(program, onExit);
}

function addCounterCommand(program: Command, onExit: OnExit): void {
  const add = declare(program, "add", "add to a counter, and print what it comes to", [
    "murmur add visits home 1",
    "murmur add visits home -5",
  ])
    .argument("<bucket>")
    .argument("<key>")
    .argument("[n]", "an integer, negative too", "1");
  withWriteOptions(add).action(async (bucket, key, by, options) =>
    onExit(await (await import("./change.js")).add(bucket, key, by, options)),
  );
}

function addSetCommands(program: Command, onExit: OnExit): void {
  const set = declare(program, "set", "add to a set, or remove from it", [
    "murmur set add tags ada red blue",
    "murmur set remove tags ada red",
  ]).helpCommand(false);
  for (const [how, what] of [
    ["add", "put items into a set"],
    ["remove", "take items out of a set: those of --context, else what a quorum holds"],
  ] as const) {
    const command = declare(set, how, what, [`murmur set ${how} tags ada new`, `murmur set ${how} tags ada red blue`])
      .argument("<bucket>")
      .argument("<key>")
      .argument("<items...>");
    withWriteOptions(command).action(async (bucket, key, items, options) =>
      onExit(await (await import("./change.js")).editSet(how, bucket, key, items, options)),
    );
  }
}

function addMapCommands(program: Command, onExit: OnExit): void {
  const map = declare(program, "map", "change fields of a map, all or none", [
    "murmur map set profiles ada name=Ada age=36",
    "murmur map add profiles ada logins=1",
    "murmur map remove profiles ada age",
  ]).helpCommand(false);
  const pairs = (name: string, what: string, ...lines: string[]) =>
    declare(map, name, what, lines).argument("<bucket>").argument("<key>");
  const set = pairs("set", "set fields", "murmur map set profiles ada name=Ada age=36 'langs=[\"en\"]'").argument(
    "<pairs...>",
    "FIELD=VALUE: JSON where it is JSON, else a text",
  );
  withWriteOptions(set).action(async (bucket, key, given, options) =>
    onExit(await (await import("./change.js")).setFields(bucket, key, given, options)),
  );
  const add = pairs("add", "add to counters in a map", "murmur map add profiles ada logins=1 credit=-5").argument(
    "<pairs...>",
    "FIELD=N",
  );
  withWriteOptions(add).action(async (bucket, key, given, options) =>
    onExit(await (await import("./change.js")).addToFields(bucket, key, given, options)),
  );
  const remove = pairs("remove", "remove fields", "murmur map remove profiles ada age").argument("<fields...>");
  withWriteOptions(remove).action(async (bucket, key, fields, options) =>
    onExit(await (await import("./change.js")).removeFields(bucket, key, fields, options)),
  );
  const edit = pairs(
    "edit",
    "any change, as POST takes it: set, counters, sets, maps, remove",
    'murmur map edit profiles ada \'{"set":{"name":"Ada"},"sets":{"tags":{"add":["new"]}}}\'',
  ).argument("<json>");
  withWriteOptions(edit).action(async (bucket, key, json, options) =>
    onExit(await (await import("./change.js")).editFields(bucket, key, json, options)),
  );
}

function withWriteOptions(command: Command): Command {
  return command
    .addOption(LEVEL())
    .addOption(TIMEOUT())
    .addOption(SORT())
    .addOption(CONTEXT())
    .addOption(ID_KEY())
    .addOption(TRACE())
    .addOption(CONFIG())
    .addOption(NODE())
    .addOption(JSON_OUT());
}
