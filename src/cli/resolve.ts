/**
 * `murmur resolve`: puts one value in the place of the several that a key has.
 *
 * It reads, shows, and puts with the context of what it has shown. So a value
 * that somebody writes meanwhile is not lost: the put supersedes what was read
 * and nothing else, and the newcomer stays beside it as a sibling. Numbers may
 * have moved since they were last seen, though: with the `--context` that came
 * with them, a pick is refused unless the values are still the same.
 */
import { keyPath } from "../base/key-path.js";
import { EXIT, type ExitCode, usage } from "./exit.js";
import {
  changeHeaders,
  contentTypeOf,
  type Envelope,
  headerValue,
  readEnvelope,
  sayDecide,
  target,
  type WriteOptions,
  written,
} from "./keys.js";
import { printSiblings, type Sibling } from "./siblings.js";
import { printJson, say } from "./terminal.js";

interface ResolveOptions extends WriteOptions {
  readonly pick?: string;
  readonly value?: string;
  readonly contentType?: string;
}

export async function resolve(bucket: string, key: string, options: ResolveOptions): Promise<ExitCode> {
  checkOptions(options);
  const { cluster, name } = await target(bucket, key, options);
  // The level is the write's: a decision is about what the bucket's own reads show.
  const { consistency: _level, ...reading } = options;
  const envelope = await readEnvelope(cluster, bucket, key, { ...reading, merge: "never" });
  const { siblings } = envelope;
  if (siblings.length === 0) return nothingToResolve(name, envelope, options);
  if (!options.json) printSiblings(siblings);
  if (options.pick !== undefined && options.context !== undefined && options.context !== envelope.context) {
    say(`${name}: these are other values than those of that context; nothing was written`);
    return undecided(bucket, key, envelope, options);
  }
  const kept = keptOf(siblings, options);
  if (kept === undefined) return undecided(bucket, key, envelope, options);
  const answer = await cluster.ask({
    method: "PUT",
    path: keyPath(bucket, key),
    query: { w: options.consistency, timeout: options.timeout, sort: options.sort },
    headers: {
      "Content-Type": kept.contentType,
      ...changeHeaders({ ...options, context: options.context ?? envelope.context }),
    },
    body: kept.value,
  });
  const sentence = `${name}: ${kept.what} is in the place of ${siblings.length} siblings; what was written meanwhile stays beside it`;
  return written(answer, `resolve ${name}`, sentence, options);
}

function checkOptions({ pick, value, contentType }: ResolveOptions): void {
  if (pick !== undefined && value !== undefined) throw usage("give --pick or --value, not both");
  if (pick !== undefined && contentType !== undefined)
    throw usage("--content-type is for --value; a pick keeps its own");
  if (pick === undefined || /^[1-9]\d{0,5}$/.test(pick)) return;
  throw usage(`--pick: expected the number of a sibling, from 1 on, found ${JSON.stringify(pick)}`);
}

/** Nothing was written: the data is what was read. */
function undecided(bucket: string, key: string, envelope: Envelope, options: ResolveOptions): ExitCode {
  if (options.json) printJson(envelope);
  sayDecide(bucket, key, envelope, options);
  return EXIT.siblings;
}

function nothingToResolve(name: string, envelope: Envelope, { json }: ResolveOptions): ExitCode {
  const { found } = envelope;
  if (json) printJson(envelope);
  say(found ? `${name}: has one value, there is nothing to resolve` : `${name}: not found`);
  return found ? EXIT.ok : EXIT.notFound;
}

interface Kept {
  readonly what: string;
  readonly contentType: string;
  readonly value: Buffer;
}

/** Undefined as long as nothing was chosen. */
function keptOf(siblings: readonly Sibling[], { pick, value, contentType }: ResolveOptions): Kept | undefined {
  if (value !== undefined) {
    const bytes = Buffer.from(value, "utf8");
    const type = headerValue("--content-type", contentType ?? contentTypeOf(bytes));
    return { what: `a value of ${bytes.length} bytes`, contentType: type, value: bytes };
  }
  if (pick === undefined) return undefined;
  const picked = siblings[Number(pick) - 1];
  if (picked === undefined) throw usage(`--pick: expected 1 to ${siblings.length}, found ${pick}`);
  return { what: `number ${pick}`, contentType: picked.contentType, value: Buffer.from(picked.value, "base64") };
}
