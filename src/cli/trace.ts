/**
 * `--trace`: one request as a timeline of the replicas that were asked, so
 * that one sees who was waited for and who was behind.
 */
import { parseServerTiming } from "../client/server-timing.js";
import { bar, paint, say, shown } from "./terminal.js";

/** One replica's part. `endMs` is undefined while it is silent. */
export interface TraceLine {
  readonly node: string;
  readonly startMs: number;
  readonly endMs: number | undefined;
  /** It was asked because another was late. */
  readonly isHedge: boolean;
  /** How it was asked and what it held, in words. */
  readonly told: string;
}

const CELLS = 40;

/** Draws the timeline on stderr. `elapsedMs` is what the whole request took as seen from here. */
export function drawTrace(title: string, elapsedMs: number, lines: readonly TraceLine[]): void {
  const total = Math.max(0.001, ...lines.map((line) => line.endMs ?? line.startMs));
  const nodeWidth = Math.max(4, ...lines.map((line) => line.node.length));
  say(`${title}: ${milliseconds(elapsedMs)} from here, ${milliseconds(total)} among the replicas`);
  for (const line of lines) {
    const end = line.endMs === undefined ? "  silent" : milliseconds(line.endMs).padStart(8);
    const times = `${milliseconds(line.startMs).padStart(8)} -> ${end}`;
    say(`  ${shown(line.node).padEnd(nodeWidth)} ${times}  |${picture(line, total)}|  ${line.told}`);
  }
  for (const line of lines) if (line.isHedge) say(`  ${hedgeSentence(line, lines)}`);
}

/** What a hedge was good for. */
function hedgeSentence(
  { node, startMs, endMs = Number.POSITIVE_INFINITY }: TraceLine,
  lines: readonly TraceLine[],
): string {
  const asked = `${shown(node)} was asked as a spare after ${milliseconds(startMs)}`;
  const isLater = (line: TraceLine) => line.startMs < startMs && (line.endMs ?? Number.POSITIVE_INFINITY) > endMs;
  const beaten = lines.filter((line) => !line.isHedge && isLater(line)).map((line) => shown(line.node));
  if (beaten.length > 0) return `${asked} and answered before ${beaten.join(" and ")}`;
  return endMs < Number.POSITIVE_INFINITY ? `${asked}, in vain: the late one answered first` : `${asked} and is silent`;
}

/** Where on the time line the replica worked: nothing before it was asked, dots while it is silent. */
function picture(line: TraceLine, total: number): string {
  const before = Math.min(CELLS - 1, Math.floor((line.startMs / total) * CELLS));
  if (line.endMs === undefined) return " ".repeat(before) + paint("dim", "·".repeat(CELLS - before), process.stderr);
  const share = (line.endMs - line.startMs) / total;
  const drawn = bar(share, CELLS).slice(0, CELLS - before) || "▏";
  return (
    " ".repeat(before) +
    paint(line.isHedge ? "magenta" : "cyan", drawn, process.stderr) +
    " ".repeat(CELLS - before - drawn.length)
  );
}

function milliseconds(durationMs: number): string {
  return `${durationMs.toFixed(durationMs < 10 ? 2 : 1)} ms`;
}

/** The replicas as the Server-Timing of an answer names them. */
export function serverTimingLines(header: string): TraceLine[] {
  return parseServerTiming(header).map(({ node, askedMs, ms, role, state }) => {
    const endMs = ms === undefined ? undefined : askedMs + ms;
    return { node, startMs: askedMs, endMs, isHedge: role === "hedge", told: `${role}, ${state}` };
  });
}
