/**
 * One request and its answer, on pooled connections. Of an answer only its
 * status is kept, and of a refusal its problem code.
 */
import type { Answer } from "./answer.js";
import { Line } from "./line.js";
import type { LoadPlan } from "./plan.js";

/** How a request ended: undefined for well, else a problem's code, a network error's, or one of those below. */
export type Trouble = string | undefined;

/** Its time was up before an answer came. */
export const NO_ANSWER = "no-answer";
/** It was due, and the bound on requests under way kept it waiting until its time was up. */
export const NEVER_SENT = "never-sent";
/** It was due while the bound was reached, and was not to wait. */
export const NO_ROOM = "no-room";

/** Durations of these are not how long an answer took, but how long none came. */
export const SILENT: ReadonlySet<string> = new Set([NO_ANSWER, NEVER_SENT, "timeout"]);

export interface Question {
  readonly target: number;
  readonly method: "GET" | "PUT";
  readonly path: string;
  readonly body?: Buffer;
}

/** Codes of a connection that its node has closed. */
const CLOSED: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE"]);

type Ended = (trouble: Trouble) => void;

/** A node, and the connections to it that wait for a request, the last used last. */
interface Target {
  readonly host: string;
  readonly port: number;
  readonly hostHeader: string;
  readonly idle: Line[];
  /** How many more are being opened. */
  opening: number;
}

/** To open a connection costs more than to ask on it: who opens all at once opens them too late for all. */
const OPENING_MAX = 32;

export class Exchange {
  private readonly targets: readonly Target[];

  constructor({ urls }: LoadPlan) {
    this.targets = urls.map((url) => {
      const { hostname, port, host } = new URL(url);
      return {
        host: hostname.replace(/^\[|\]$/g, ""),
        port: Number(port || 80),
        hostHeader: host,
        idle: [],
        opening: 0,
      };
    });
  }

  /** Whether a connection to this target is there, or may be opened without waiting for others. */
  hasLine(target: number): boolean {
    const { idle, opening } = this.targets[target] as Target;
    return idle.length > 0 || opening < OPENING_MAX;
  }

  /** `ended` comes exactly once, after `restMs` at the latest. */
  ask(question: Question, restMs: number, ended: Ended): void {
    const target = this.targets[question.target] as Target;
    let line: Line | undefined;
    const timer = setTimeout(() => {
      line?.close();
      ended(NO_ANSWER);
    }, restMs);
    const end = (trouble: Trouble) => {
      clearTimeout(timer);
      ended(trouble);
    };
    const send = () => {
      line = idleLine(target) ?? open(target);
      const used = line;
      used.ask(headOf(question, target.hostHeader), question.body, {
        answered: (answer) => {
          if (!answer.isLast) target.idle.push(used);
          end(troubleOf(answer));
        },
        // A connection that the node closed while it was idle says nothing about the node.
        lost: (code, hadAnswered) => (hadAnswered && CLOSED.has(code) ? send() : end(code)),
      });
    };
    send();
  }

  close(): void {
    for (const { idle } of this.targets) for (const line of idle) line.close();
  }
}

/** The one used last: those that nobody needs grow old, and their node closes them. */
function idleLine({ idle }: Target): Line | undefined {
  for (let line = idle.pop(); line !== undefined; line = idle.pop()) if (line.isOpen) return line;
  return undefined;
}

function open(target: Target): Line {
  target.opening++;
  return new Line(target.host, target.port, () => target.opening--);
}

function headOf({ method, path, body }: Question, hostHeader: string): string {
  const length = body === undefined ? "" : `Content-Length: ${body.length}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nHost: ${hostHeader}\r\n${length}\r\n`;
}

function troubleOf({ status, text }: Answer): Trouble {
  return status >= 200 && status < 300 ? undefined : (codeOf(text) ?? `status ${status}`);
}

function codeOf(text: string): string | undefined {
  try {
    const { code } = JSON.parse(text) as { code?: unknown };
    return typeof code === "string" ? code : undefined;
  } catch {
    return undefined;
  }
}
