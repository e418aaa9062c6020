/** Somebody who asks properly all the while: what he wrote must be there, whatever others send. */
import type { ProcessCluster } from "../test/process-cluster.js";

const BUCKET = "good";
const KEYS = 50;
const QUERY = "w=QUORUM&timeout=10s";
const READ_QUERY = "r=QUORUM&timeout=10s";
/** Refused work is asked again, so many times at once. */
const TRIES = 50;

export class GoodClient {
  answers = 0;
  refusals = 0;
  longestMs = 0;
  readonly complaints: string[] = [];
  private isOver = false;
  private readonly working: Promise<void>;

  constructor(
    private readonly cluster: ProcessCluster,
    private readonly at: string,
  ) {
    this.working = this.work().catch((error: Error) => void this.complaints.push(error.message));
  }

  async end(): Promise<void> {
    this.isOver = true;
    await this.working;
  }

  private async work(): Promise<void> {
    for (let number = 0; !this.isOver && this.complaints.length === 0; number++) {
      const key = `key ${number % KEYS}`;
      const value = `value ${number}`;
      await this.ask(204, () => this.cluster.put(this.at, BUCKET, key, value, `?${QUERY}`));
      const body = await this.ask(200, () => this.cluster.get(this.at, BUCKET, key, `?${READ_QUERY}`));
      if (body !== value) this.complaints.push(`${key} is ${body} and not ${value}`);
    }
  }

  private async ask(
    expected: number,
    request: () => Promise<{ status: number; body: Buffer }>,
  ): Promise<string | undefined> {
    const startedMs = performance.now();
    for (let time = 1; ; time++) {
      const { status, body } = await request();
      if (status === expected) {
        this.answers++;
        this.longestMs = Math.max(this.longestMs, performance.now() - startedMs);
        return String(body);
      }
      this.refusals++;
      if (time === TRIES || (status !== 503 && status !== 504)) {
        this.complaints.push(`${status} ${body}`);
        return undefined;
      }
    }
  }
}
