/**
 * Server-Sent Events out of the text of a stream as it arrives (WHATWG HTML
 * 9.2.6): an event is its lines up to an empty one. Only the names and the data
 * matter to us; ids and retry times are passed over, comments keep the line alive.
 */

export class EventParser {
  private rest = "";
  private name = "";
  private data: string[] = [];

  constructor(private readonly onEvent: (name: string, data: string) => void) {}

  /** Characters of an event that has not ended: the caller bounds them. */
  get pending(): number {
    return this.data.reduce((sum, line) => sum + line.length, this.rest.length);
  }

  push(text: string): void {
    const lines = (this.rest + text).split(LINE_END);
    this.rest = lines.pop() as string;
    for (const line of lines) this.takeLine(line);
  }

  private takeLine(line: string): void {
    if (line === "") return this.dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "event") this.name = value;
    else if (field === "data") this.data.push(value);
  }

  private dispatch(): void {
    const { name, data } = this;
    this.name = "";
    this.data = [];
    if (data.length > 0) this.onEvent(name || "message", data.join("\n"));
  }
}

/** A carriage return at the end may be half of one line end: it waits for what follows. */
const LINE_END = /\r\n|\n|\r(?!$)/;
