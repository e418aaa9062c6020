/**
 * Gather: many questions about one thing each become few messages about many.
 *
 * A batch runs the ordinary paths of its keys, and each path asks for its own
 * row. What they ask of one node within one turn leaves here as one message,
 * bounded in items and bytes, and its answers go back to whoever asked. So a
 * batch costs messages per node and not per key, and keeps every rule of a
 * single request by construction.
 *
 * A reply may speak of the first items only (Replica.read stops at a number of
 * bytes): the others are asked again, within the time that their askers still
 * have. Every asker is called back exactly once, as by Rpc itself.
 */
import type { Limits } from "../config.js";
import type { Clock, NodeId } from "../ports.js";
import type { Refused, Reply, ReplyTo, Request } from "../wire/messages.js";
import {
  bytesOfItem,
  type Item,
  isPlural,
  itemsOf,
  mayShare,
  type Plural,
  splitReply,
  withItems,
} from "../wire/plural.js";
import type { Recall } from "../wire/rpc.js";
import type { Asker } from "./asker.js";

/** A question about one item, on its way into a message. */
class Question {
  /** The message that carries it, once there is one. */
  message: Message | undefined;
  isWanted = true;

  constructor(
    readonly item: Item,
    readonly untilMs: number,
    readonly onReply: (reply: Reply | undefined) => void,
  ) {}

  /** A message is recalled when none of its answers is wanted any more. */
  recall(): void {
    if (!this.isWanted) return;
    this.isWanted = false;
    if (this.message === undefined) return;
    this.message.wanted--;
    if (this.message.wanted === 0) this.message.recall();
  }
}

/** A message on its way, and how many of its answers somebody still wants. */
interface Message {
  recall: Recall;
  wanted: number;
}

/** Questions for one node that may share a message with `like`. */
interface Queue {
  readonly to: NodeId;
  readonly like: Plural;
  questions: Question[];
}

export interface GatherHost {
  readonly rpc: Asker;
  readonly clock: Pick<Clock, "nowMs" | "after">;
  readonly limits: Pick<Limits, "gatherItemsMax" | "gatherBytesMax">;
  /** Runs a step later in this turn; see turn.ts. */
  readonly later: (step: () => void) => void;
}

const LEAST_TIMEOUT_MS = 1;

export class Gather implements Asker {
  private queues: Queue[] = [];
  private isStopped = false;

  constructor(private readonly host: GatherHost) {}

  call<Kind extends Request["kind"]>(
    to: NodeId,
    request: Extract<Request, { kind: Kind }>,
    timeoutMs: number,
    onReply: (reply: ReplyTo[Kind] | Refused | undefined) => void,
  ): Recall {
    const plural: Request = request;
    const items = isPlural(plural) ? itemsOf(plural) : NOTHING;
    const [item] = items;
    if (!isPlural(plural) || item === undefined || items.length > 1) {
      return this.host.rpc.call(to, request, timeoutMs, onReply);
    }
    const untilMs = this.host.clock.nowMs() + timeoutMs;
    const question = new Question(item, untilMs, onReply as Question["onReply"]);
    this.queueFor(to, plural).questions.push(question);
    return () => question.recall();
  }

  /** What a reply leaves out is not asked again: nobody wants it any more. */
  stop(): void {
    this.isStopped = true;
  }

  private queueFor(to: NodeId, like: Plural): Queue {
    const known = this.queues.find((queue) => queue.to === to && mayShare(queue.like, like));
    if (known !== undefined) return known;
    if (this.queues.length === 0) this.host.later(() => this.release());
    const queue = { to, like, questions: [] };
    this.queues.push(queue);
    return queue;
  }

  private release(): void {
    const { queues } = this;
    this.queues = [];
    for (const queue of queues) {
      for (const questions of this.messages(queue.questions)) this.send({ ...queue, questions });
    }
  }

  /** Cuts a queue into messages; one item fits always. */
  private *messages(questions: readonly Question[]): Iterable<Question[]> {
    const { gatherItemsMax, gatherBytesMax } = this.host.limits;
    let [message, bytes]: [Question[], number] = [[], 0];
    for (const question of questions) {
      const itemBytes = bytesOfItem(question.item);
      if (message.length > 0 && (message.length === gatherItemsMax || bytes + itemBytes > gatherBytesMax)) {
        yield message;
        [message, bytes] = [[], 0];
      }
      message.push(question);
      bytes += itemBytes;
    }
    yield message;
  }

  private send(queue: Queue): void {
    const { rpc, clock } = this.host;
    const items: Item[] = [];
    const message: Message = { recall: () => {}, wanted: 0 };
    let untilMs = 0;
    for (const question of queue.questions) {
      items.push(question.item);
      untilMs = Math.max(untilMs, question.untilMs);
      question.message = message;
      if (question.isWanted) message.wanted++;
    }
    const timeoutMs = Math.max(LEAST_TIMEOUT_MS, untilMs - clock.nowMs());
    message.recall = rpc.call<Plural["kind"]>(queue.to, withItems(queue.like, items), timeoutMs, (reply) =>
      this.onReply(queue, reply),
    );
  }

  private onReply({ to, like, questions }: Queue, reply: Reply | undefined): void {
    const answers = reply === undefined ? [] : splitReply(reply);
    const left: Question[] = [];
    for (const [index, question] of questions.entries()) {
      if (answers.length === 0) question.onReply(reply);
      else if (index < answers.length) question.onReply(answers[index]);
      else if (this.isStopped) question.onReply(undefined);
      else left.push(question);
    }
    // In a later turn: oneself answers at once, and others are to be served in between.
    if (left.length > 0) this.host.clock.after(0, () => this.queueFor(to, like).questions.push(...left));
  }
}

const NOTHING: readonly Item[] = [];
