/**
 * The log of one node, on stderr: JSON for machines, one plain line for people.
 * The only module that knows pino.
 */
import { type DestinationStream, destination, pino } from "pino";
import type { Log } from "../ports.js";

export type LogFormat = "json" | "line";

const STDERR = 2;
const WARN = 40;

export function openLog(node: string, format: LogFormat): Log {
  const logger = pino({ base: { node } }, format === "json" ? jsonStream() : lineStream(node));
  return {
    info: (sentence, facts = {}) => logger.info(facts, sentence),
    warn: (sentence, facts = {}) => logger.warn(facts, sentence),
  };
}

/** Written at once, so that the last words before a crash are not lost. Nobody listening is no reason to stop. */
function jsonStream(): DestinationStream {
  const stream = destination({ dest: STDERR, sync: true });
  stream.on("error", () => {});
  return stream;
}

function lineStream(node: string): DestinationStream {
  process.stderr.on("error", () => {});
  return { write: (json) => void process.stderr.write(`${lineOf(JSON.parse(json), node)}\n`) };
}

/** `12:03:09 n1 peer n2 is up  layout=1` */
function lineOf(record: Record<string, unknown>, node: string): string {
  const { level, time, msg, node: _node, pid: _pid, hostname: _hostname, ...facts } = record;
  const clock = new Date(Number(time)).toTimeString().slice(0, 8);
  const told = Object.entries(facts).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`);
  const line = `${clock} ${node} ${level === WARN ? "warning: " : ""}${msg}${told.length > 0 ? " " : ""}${told.join("")}`;
  return line.replace(/\p{Cc}/gu, " ");
}
