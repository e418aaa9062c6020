/**
 * Sends what is due and times it from when it was due.
 *
 * A generator that waits for an answer before it sends the next request asks
 * least when the store is slowest, and so hides the very stalls it should find
 * (coordinated omission). Here a request that is due while the bound on requests
 * under way is reached waits, and its wait counts; and what was never answered
 * counts with the time for which it was not.
 */
import { below, fraction } from "../base/random.js";
import { SeededRandom } from "../base/seeded.js";
import { Exchange, NEVER_SENT, NO_ROOM, type Question, SILENT, type Trouble } from "./exchange.js";
import { Histogram } from "./histogram.js";
import { Metronome, SCHEDULE_STREAM, sharedNowMs } from "./metronome.js";
import { keyName, type LoadPlan } from "./plan.js";
import { type DrawKey, drawKey } from "./popularity.js";
import { type Schedule, scheduleOf } from "./schedule.js";

/** What a run has come to so far. */
export interface Tally {
  /** From due to answered, or to given up; refusals that came at once are in neither. */
  readonly reads: Histogram;
  readonly writes: Histogram;
  /** From due to sent: the generator's own share. */
  readonly waits: Histogram;
  /** By code. */
  readonly errors: Map<string, number>;
  /** Those that ended as they should. */
  answered: number;
}

export class Generator {
  readonly tally: Tally = {
    reads: new Histogram(),
    writes: new Histogram(),
    waits: new Histogram(),
    errors: new Map(),
    answered: 0,
  };
  private readonly exchange: Exchange;
  private readonly schedule: Schedule;
  private readonly choices: SeededRandom;
  private readonly keyOf: DrawKey;
  private readonly value: Buffer;
  private readonly path: string;
  private startMs = sharedNowMs();
  private dueMs: number | undefined;
  private underWay = 0;
  private written = 0;
  private isOver = false;
  private onFinished: () => void = () => {};

  constructor(private readonly plan: LoadPlan) {
    const random = new SeededRandom(plan.seed);
    this.exchange = new Exchange(plan);
    this.schedule = scheduleOf(plan, random.fork(SCHEDULE_STREAM));
    this.choices = random.fork("choices");
    this.keyOf = drawKey(plan.distribution, plan.keys);
    // Letters, so that a person who looks at a key sees something.
    this.value = Buffer.from(Array.from({ length: plan.valueBytes }, () => 97 + below(this.choices, 26)));
    this.path = `/v1/buckets/${plan.bucket}/keys/`;
  }

  /** Until everything that became due has ended. */
  async run(): Promise<void> {
    const isOpen = this.plan.arrivals.kind === "poisson";
    const metronome = isOpen ? new Metronome(this.plan) : undefined;
    try {
      await metronome?.ready();
      this.startMs = sharedNowMs();
      metronome?.begin(this.startMs, () => this.pump());
      await new Promise<void>((resolve) => {
        this.onFinished = resolve;
        this.pump();
      });
    } finally {
      this.exchange.close();
      await metronome?.stop();
    }
  }

  /** Nothing becomes due any more. */
  stop(): void {
    this.isOver = true;
    this.finishIfDone();
  }

  get elapsedMs(): number {
    return sharedNowMs() - this.startMs;
  }

  private pump(): void {
    const { underWayMax, failsBeyondMax = false } = this.plan;
    while (!this.isOver && (failsBeyondMax || this.underWay < underWayMax)) {
      const nowMs = this.elapsedMs;
      this.dueMs ??= this.schedule.next(nowMs);
      if (this.dueMs === undefined) this.isOver = true;
      else if (this.dueMs > nowMs) return;
      else this.send(this.dueMs, nowMs);
    }
    this.finishIfDone();
  }

  private send(dueMs: number, nowMs: number): void {
    this.dueMs = undefined;
    const { underWayMax, failsBeyondMax = false } = this.plan;
    if (this.underWay >= underWayMax) return this.count(NO_ROOM);
    const question = this.question();
    if (failsBeyondMax && !this.exchange.hasLine(question.target)) return this.count(NO_ROOM);
    const restMs = dueMs + this.plan.timeoutMs - nowMs;
    this.tally.waits.record(nowMs - dueMs);
    if (restMs <= 0) return this.note(question, dueMs, NEVER_SENT);
    this.underWay++;
    this.exchange.ask(question, restMs, (trouble) => {
      this.underWay--;
      this.note(question, dueMs, trouble);
      this.pump();
    });
  }

  private question(): Question {
    const { plan, choices } = this;
    const target = below(choices, plan.urls.length);
    if (plan.arrivals.kind === "each") return this.write(target, this.written++);
    const isRead = fraction(choices) < plan.readShare;
    const rank = this.keyOf(choices);
    if (!isRead) return this.write(target, rank);
    return { target, method: "GET", path: `${this.path}${keyName(rank)}?${plan.readQuery}` };
  }

  private write(target: number, rank: number): Question {
    const path = `${this.path}${keyName(rank)}?${this.plan.writeQuery}`;
    return { target, method: "PUT", path, body: this.value };
  }

  private note({ method }: Question, dueMs: number, trouble: Trouble): void {
    const { reads, writes } = this.tally;
    if (trouble === undefined) this.tally.answered++;
    else this.count(trouble);
    if (trouble !== undefined && !SILENT.has(trouble)) return;
    (method === "GET" ? reads : writes).record(this.elapsedMs - dueMs);
  }

  private count(trouble: string): void {
    const { errors } = this.tally;
    errors.set(trouble, (errors.get(trouble) ?? 0) + 1);
  }

  private finishIfDone(): void {
    if (this.isOver && this.underWay === 0) this.onFinished();
  }
}
