/** A client of `/v1/events` for tests: keeps what it heard, and lets a test wait for an event. */
import assert from "node:assert/strict";
import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { EventParser } from "../src/cli/event-parser.js";
import type { EventData } from "../src/http/events.js";
import { until } from "./ports/until.js";

interface Heard {
  readonly name: string;
  readonly data: unknown;
}

export class EventListener {
  /** Each event in order, and all that came as text. */
  readonly heard: Heard[] = [];
  text = "";
  isOver = false;
  /** How many events of each name `next` has handed out. */
  private readonly taken = new Map<string, number>();

  private constructor(private readonly response: IncomingMessage) {
    const parser = new EventParser((name, data) => this.heard.push({ name, data: JSON.parse(data) }));
    response.setEncoding("utf8").on("data", (chunk: string) => {
      this.text += chunk;
      parser.push(chunk);
    });
    response.on("error", () => {});
    response.on("close", () => {
      this.isOver = true;
    });
  }

  static open(port: number, query = ""): Promise<EventListener> {
    return new Promise((resolve, reject) => {
      const path = `/v1/events${query}`;
      const sent = request({ port, host: "127.0.0.1", path, agent: false }, (response) => {
        assert.equal(response.statusCode, 200);
        resolve(new EventListener(response));
      });
      sent.on("error", reject).end();
    });
  }

  get headers(): IncomingHttpHeaders {
    return this.response.headers;
  }

  /** The next event of this name that was not handed out yet; waits for it. */
  async next<Name extends keyof EventData>(name: Name): Promise<EventData[Name]> {
    const index = this.taken.get(name) ?? 0;
    const all = () => this.heard.filter((event) => event.name === name);
    await until(() => all().length > index);
    this.taken.set(name, index + 1);
    return all()[index]?.data as EventData[Name];
  }

  async over(): Promise<void> {
    await until(() => this.isOver);
  }

  /** Reads no more, so that what is sent piles up at the sender. */
  pause(): void {
    this.response.pause();
  }

  close(): void {
    this.response.destroy();
  }
}
