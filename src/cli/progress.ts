/**
 * How far a long command is, on stderr: one line redrawn on a terminal, a line
 * now and then elsewhere.
 */
import type { Progress } from "./import-checkpoint.js";
import { bar, grouped, say, span } from "./terminal.js";

const REDRAW_MS = 200;
const LINE_EVERY_MS = 5000;
const CELLS = 24;
const CLEAR_LINE = "\r\u001b[K";

export class ProgressLine {
  private readonly startedMs = performance.now();
  private readonly recordsBefore: number;
  private readonly bytesBefore: number;
  private readonly isTerminal = process.stderr.isTTY === true && process.env.TERM !== "dumb";
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly bytes: number,
    private readonly progress: Progress,
  ) {
    this.recordsBefore = progress.records;
    this.bytesBefore = progress.place.offset;
    this.timer = setInterval(() => this.draw(), this.isTerminal ? REDRAW_MS : LINE_EVERY_MS);
  }

  get elapsedMs(): number {
    return performance.now() - this.startedMs;
  }

  /** Says something else without tearing the line. */
  interject(text: string): void {
    if (this.isTerminal) process.stderr.write(CLEAR_LINE);
    say(text);
  }

  end(): void {
    clearInterval(this.timer);
    if (this.isTerminal) process.stderr.write(CLEAR_LINE);
  }

  private draw(): void {
    const { place, records, failed } = this.progress;
    const share = this.bytes === 0 ? 1 : place.offset / this.bytes;
    const perSecond = ((records - this.recordsBefore) / this.elapsedMs) * 1000;
    const bytesPerMs = (place.offset - this.bytesBefore) / this.elapsedMs;
    const left = bytesPerMs > 0 ? `, ${span((this.bytes - place.offset) / bytesPerMs)} left` : "";
    const failures = failed > 0 ? `, ${grouped(failed)} failed` : "";
    const text = `${Math.floor(share * 100)} %, ${grouped(records)} records, ${grouped(perSecond)}/s${left}${failures}`;
    if (this.isTerminal) process.stderr.write(`${CLEAR_LINE}${bar(share, CELLS).padEnd(CELLS)} ${text}`);
    else say(text);
  }
}
