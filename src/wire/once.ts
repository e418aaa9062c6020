/**
 * At most once: a question that must not be worked on twice, over a transport that may repeat frames.
 *
 * Whoever asks numbers such questions, for each node it asks. Whoever is asked remembers which numbers
 * it has seen, in a window below the highest (as IPsec does: RFC 4303, section 3.4.3), and drops what comes
 * again, or from below the window, without a word. The first copy decides, even when it is refused: otherwise
 * "I did nothing" could be said of one copy while another is worked on, and the asker would turn to another owner.
 *
 * This is exact without clocks. A frame reaches no later process than the one it was sent to (ports.ts), so
 * the window need not outlive its process; a restarted asker numbers anew under another name.
 */
import { MalformedBytes } from "../base/bytes.js";
import { type Random, u64 } from "../base/random.js";
import type { NodeId } from "../ports.js";
import type { Message, Request } from "./messages.js";
import type { Once, Serial } from "./mint-messages.js";

/** So far may a question fall behind later ones of the same asker: 8 KiB of bits for each. */
const WINDOW = 65_536;
/** Of one asker: its present life, and former ones whose last words still arrive. */
const LIVES_MAX = 4;

export class AtMostOnce {
  private life: bigint | undefined;
  private readonly asked = new Map<NodeId, number>();
  private readonly heard = new Map<NodeId, Map<bigint, Window>>();

  constructor(private readonly random: Random) {}

  /** What is sent to a node for a question. */
  enclose(to: NodeId, request: Request): Message {
    if (request.kind !== "mint") return request;
    this.life ??= u64(this.random);
    const number = (this.asked.get(to) ?? 0) + 1;
    this.asked.set(to, number);
    return { kind: "once", serial: { life: this.life, number }, question: request };
  }

  /** What came from a node; undefined when it must not be looked at, because it came before or may have. */
  open(from: NodeId, message: Message): Exclude<Message, Once> | undefined {
    if (message.kind === "mint") throw new MalformedBytes("a Mint travels in an envelope");
    if (message.kind !== "once") return message;
    return this.isFirst(from, message.serial) ? message.question : undefined;
  }

  private isFirst(from: NodeId, { life, number }: Serial): boolean {
    const lives = this.heard.get(from) ?? new Map<bigint, Window>();
    this.heard.set(from, lives);
    const known = lives.get(life);
    if (known !== undefined) return known.add(number);
    const [oldest] = lives.keys();
    if (lives.size === LIVES_MAX && oldest !== undefined) lives.delete(oldest);
    const window = new Window();
    lives.set(life, window);
    return window.add(number);
  }
}

class Window {
  private readonly bits = new Uint32Array(WINDOW / 32);
  private highest = 0;

  /** False when it is in there already, or so old that nobody knows. */
  add(number: number): boolean {
    if (number > this.highest) this.advance(number);
    else if (this.highest - number >= WINDOW) return false;
    const index = number % WINDOW;
    const mask = 1 << (index & 31);
    const word = this.bits[index >>> 5] as number;
    if ((word & mask) !== 0) return false;
    this.bits[index >>> 5] = word | mask;
    return true;
  }

  /** Makes room for the numbers between. */
  private advance(number: number): void {
    if (number - this.highest >= WINDOW) this.bits.fill(0);
    else {
      for (let each = this.highest + 1; each <= number; each++) {
        const index = each % WINDOW;
        this.bits[index >>> 5] = (this.bits[index >>> 5] as number) & ~(1 << (index & 31));
      }
    }
    this.highest = number;
  }
}
