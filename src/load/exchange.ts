/**
 * One request and its answer, on pooled connections of node:http. Of an answer
 * only its status is kept, and of a refusal its problem code.
 */
import { Agent, type IncomingMessage, request } from "node:http";
import type { LoadPlan } from "./plan.js";

/** How a request ended: undefined for well, else a problem's code, a network error's, or one of those below. */
export type Trouble = string | undefined;

/** Its time was up before an answer came. */
export const NO_ANSWER = "no-answer";
/** It was due, and the bound on requests under way kept it waiting until its time was up. */
export const NEVER_SENT = "never-sent";

/** Durations of these are not how long an answer took, but how long none came. */
export const SILENT: ReadonlySet<string> = new Set([NO_ANSWER, NEVER_SENT, "timeout"]);

export interface Question {
  readonly target: number;
  readonly method: "GET" | "PUT";
  readonly path: string;
  readonly body?: Buffer;
}

type Ended = (trouble: Trouble) => void;

const PROBLEM_CHARACTERS_MAX = 4096;

export class Exchange {
  private readonly agent: Agent;
  private readonly targets: ReadonlyArray<{ readonly hostname: string; readonly port: string }>;

  constructor({ urls, underWayMax }: LoadPlan) {
    this.agent = new Agent({ keepAlive: true, maxSockets: underWayMax });
    this.targets = urls.map((url) => {
      const { hostname, port } = new URL(url);
      return { hostname: hostname.replace(/^\[|\]$/g, ""), port: port || "80" };
    });
  }

  /** `ended` comes exactly once, after `restMs` at the latest. */
  ask(question: Question, restMs: number, ended: Ended): void {
    const deadlineMs = performance.now() + restMs;
    this.send(question, deadlineMs, ended, true);
  }

  close(): void {
    this.agent.destroy();
  }

  private send(question: Question, deadlineMs: number, ended: Ended, mayRepeat: boolean): void {
    const { method, path, body } = question;
    const headers = body === undefined ? {} : { "Content-Length": body.length };
    const sent = request({ ...this.targets[question.target], method, path, headers, agent: this.agent });
    let isOver = false;
    const end = (trouble: Trouble) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      ended(trouble);
    };
    const timer = setTimeout(
      () => {
        end(NO_ANSWER);
        sent.destroy();
      },
      Math.max(0, deadlineMs - performance.now()),
    );
    sent.on("error", (error: NodeJS.ErrnoException) => {
      // A connection that the node closed while it was idle says nothing about the node.
      const wasIdle = sent.reusedSocket && error.code === "ECONNRESET";
      if (isOver || !wasIdle || !mayRepeat) return end(error.code ?? "network");
      isOver = true;
      clearTimeout(timer);
      this.send(question, deadlineMs, ended, false);
    });
    sent.on("response", (response) => readAnswer(response, end));
    sent.end(body);
  }
}

function readAnswer(response: IncomingMessage, end: Ended): void {
  const status = response.statusCode ?? 0;
  response.on("error", (error: NodeJS.ErrnoException) => end(error.code ?? "network"));
  if (status >= 200 && status < 300) {
    response.on("end", () => end(undefined)).resume();
    return;
  }
  let text = "";
  response.setEncoding("utf8").on("data", (part: string) => {
    if (text.length < PROBLEM_CHARACTERS_MAX) text += part;
  });
  response.on("end", () => end(codeOf(text) ?? `status ${status}`));
}

function codeOf(text: string): string | undefined {
  try {
    const { code } = JSON.parse(text) as { code?: unknown };
    return typeof code === "string" ? code : undefined;
  } catch {
    return undefined;
  }
}
