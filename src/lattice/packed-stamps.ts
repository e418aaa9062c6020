/**
 * Many stamps in few bytes: actors by their number in a table, times as distances from the earliest.
 *
 * A state names few actors again and again, and its changes lie close together:
 * a stamp takes about six bytes instead of sixteen. Canonical: the actors of the
 * table ascend and are all in use, and so is the earliest time.
 */
import { MalformedBytes, type Reader, type Writer } from "../base/bytes.js";
import { type Context, covers } from "./context.js";
import { type Actor, compareStamps, type Stamp } from "./stamp.js";

const ACTOR_BYTES = 8;

/** Is told of all stamps, writes the table, then the stamps. */
export class StampPacker {
  private readonly numbers = new Map<Actor, number>();
  private earliestUs: number = Number.MAX_SAFE_INTEGER;
  private lastActor: Actor | undefined;

  note({ timeUs, actor }: Stamp): void {
    if (actor !== this.lastActor) this.numbers.set(actor, 0);
    this.lastActor = actor;
    this.noteTime(timeUs);
  }

  noteContext({ vector, dots }: Context): void {
    for (const stamp of vector) this.note(stamp);
    for (const dot of dots) this.note(dot);
  }

  noteTime(timeUs: number): void {
    if (timeUs < this.earliestUs) this.earliestUs = timeUs;
  }

  /** Whether its table is the one that `other` read. */
  hasTableOf({ actors, earliestUs }: StampUnpacker): boolean {
    const { numbers } = this;
    return (
      earliestUs === this.earliestUs && actors.length === numbers.size && actors.every((each) => numbers.has(each))
    );
  }

  writeTable(writer: Writer): void {
    const actors = [...this.numbers.keys()].sort((a, b) => (a < b ? -1 : 1));
    writer.varint(actors.length);
    actors.forEach((actor, number) => {
      writer.u64(actor);
      this.numbers.set(actor, number);
    });
    writer.u53(this.earliestUs);
  }

  write(writer: Writer, { timeUs, actor }: Stamp): void {
    writer.varint(this.numbers.get(actor) as number).varint(timeUs - this.earliestUs);
  }

  writeContext(writer: Writer, { vector, dots }: Context): void {
    writer.varint(vector.length);
    for (const stamp of vector) this.write(writer, stamp);
    writer.varint(dots.length);
    for (const dot of dots) this.write(writer, dot);
  }
}

/** Reads what a StampPacker wrote, in the same order. */
export class StampUnpacker {
  readonly actors: Actor[] = [];
  readonly earliestUs: number;
  private readonly isUsed: boolean[];
  private isEarliestUsed = false;

  constructor(private readonly reader: Reader) {
    const count = reader.varint();
    if (count > reader.remaining / ACTOR_BYTES) throw new MalformedBytes("more actors than bytes");
    for (let number = 0; number < count; number++) {
      const actor = reader.u64();
      const last = this.actors[number - 1];
      if (last !== undefined && last >= actor) throw new MalformedBytes("actors out of order");
      this.actors.push(actor);
    }
    this.isUsed = this.actors.map(() => false);
    this.earliestUs = reader.u53();
  }

  read(): Stamp {
    const number = this.reader.varint();
    const actor = this.actors[number];
    if (actor === undefined) throw new MalformedBytes("an actor that is not in the table");
    this.isUsed[number] = true;
    const distanceUs = this.reader.varint();
    if (distanceUs === 0) this.isEarliestUsed = true;
    const timeUs = this.earliestUs + distanceUs;
    if (!Number.isSafeInteger(timeUs)) throw new MalformedBytes("a time beyond 2^53");
    return { timeUs, actor };
  }

  readContext(): Context {
    const vector = this.readAscending((last, stamp) => last.actor < stamp.actor);
    const dots = this.readAscending((last, dot) => compareStamps(last, dot) < 0);
    const upTo: Context = { vector, dots: [] };
    if (dots.some((dot) => covers(upTo, dot))) throw new MalformedBytes("a dot that its vector covers");
    return { vector, dots };
  }

  /** Fails unless all was read, and all of the table was needed. */
  end(): void {
    this.reader.end();
    this.endOfStamps();
  }

  /** Fails unless all of the table was needed. */
  endOfStamps(): void {
    if (!this.isEarliestUsed || this.isUsed.includes(false))
      throw new MalformedBytes("a table of stamps that never come");
  }

  private readAscending(isInOrder: (last: Stamp, next: Stamp) => boolean): Stamp[] {
    const stamps: Stamp[] = [];
    for (let left = this.reader.varint(); left > 0; left--) {
      const stamp = this.read();
      const last = stamps.at(-1);
      if (last !== undefined && !isInOrder(last, stamp)) throw new MalformedBytes("stamps out of order");
      stamps.push(stamp);
    }
    return stamps;
  }
}
