/**
 * How far a long command is, on stderr: one line redrawn on a terminal, a line
 * now and then elsewhere.
 */
import { bar, say } from "./terminal.js";

const REDRAW_MS = 200;
const LINE_EVERY_MS = 5000;
const CELLS = 24;
const CLEAR_LINE = "\r\u001b[K";

/** How far it is, from 0 to 1, and what there is to say of it. */
interface Progressed {
  readonly share: number;
  readonly text: string;
}

export class ProgressLine {
  private readonly startedMs = performance.now();
  private readonly isTerminal = process.stderr.isTTY === true && process.env.TERM !== "dumb";
  private readonly timer: NodeJS.Timeout;

  /** `look` is asked whenever the line is drawn. */
  constructor(private readonly look: () => Progressed) {
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
    const { share, text } = this.look();
    const line = `${Math.floor(Math.min(1, share) * 100)} %, ${text}`;
    if (this.isTerminal) process.stderr.write(`${CLEAR_LINE}${bar(share, CELLS).padEnd(CELLS)} ${line}`);
    else say(line);
  }
}
