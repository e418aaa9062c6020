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
 * bytes): the others are asked again, in a later turn and within the time that
 * their askers still have. Of one node no more is heard than an answer has room
 * for: else a node would fetch all its own values while the others are late.
 * Every asker is called back exactly once, as by Rpc itself.
 */
import type { Limits } from "../config.js";
import type { Clock, NodeId } from "../ports.js";
import type { OnReply, Reply, Request, RequestOf } from "../wire/messages.js";
import {
  bytesOfItem,
  type Item,
  isPlural,
  itemsOf,
  mayShare,
  type Plural,
  splitReply,
  stateBytesOf,
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
  readonly limits: Pick<Limits, "gatherItemsMax" | "gatherBytesMax" | "batchAnswerBytesMax">;
  /** Runs a step later in this turn; see turn.ts. */
  readonly later: (step: () => void) => void;
}

const LEAST_TIMEOUT_MS = 1;
/** So many times what an answer has room for is heard of one node: states are larger than values, and some are stale. */
const HEARD_FACTOR = 2;

export class Gather implements Asker {
  /** Told when a node had more to say than there is room for, and whatever was asked has come to its end. */
  onFull: () => void = () => {};
  private queues: Queue[] = [];
  private isStopped = false;
  private isFull = false;
  /** Questions without an answer that somebody wants. */
  private wanted = 0;
  /** Bytes of states, by node. */
  private readonly heard = new Map<NodeId, number>();

  constructor(private readonly host: GatherHost) {}

  call<Kind extends Request["kind"]>(
    to: NodeId,
    request: RequestOf<Kind>,
    timeoutMs: number,
    onReply: OnReply<Kind>,
  ): Recall {
    const plural: Request = request;
    const items = isPlural(plural) ? itemsOf(plural) : NOTHING;
    const [item] = items;
    if (!isPlural(plural) || item === undefined || items.length > 1) {
      return this.host.rpc.call(to, request, timeoutMs, onReply);
    }
    const untilMs = this.host.clock.nowMs() + timeoutMs;
    const question = new Question(item, untilMs, onReply as Question["onReply"]);
    this.wanted++;
    this.queueFor(to, plural).questions.push(question);
    return () => this.recall(question);
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

  private onReply(queue: Queue, reply: Reply | undefined): void {
    const answers = reply === undefined ? [] : splitReply(reply);
    const { to, questions } = queue;
    this.heard.set(to, (this.heard.get(to) ?? 0) + stateBytesOf(reply));
    const left: Question[] = [];
    for (const [index, question] of questions.entries()) {
      if (answers.length === 0) this.settle(question, reply);
      else if (index < answers.length) this.settle(question, answers[index]);
      else if (this.mayAskAgain(queue, question)) left.push(question);
      else this.settle(question, undefined);
    }
    // In a later turn: oneself answers at once, and others are to be served in between.
    if (left.length > 0) this.host.clock.after(0, () => this.queueFor(to, queue.like).questions.push(...left));
    if (this.isFull && this.wanted === 0) this.onFull();
  }

  private mayAskAgain({ to, like }: Queue, { isWanted, untilMs }: Question): boolean {
    const { clock, limits } = this.host;
    // Only what is read fills an answer.
    if (like.kind === "mint") return isWanted && untilMs > clock.nowMs();
    const hasRoom = (this.heard.get(to) ?? 0) <= HEARD_FACTOR * limits.batchAnswerBytesMax;
    this.isFull ||= !hasRoom;
    return hasRoom && isWanted && !this.isStopped && untilMs > clock.nowMs();
  }

  private settle(question: Question, reply: Reply | undefined): void {
    this.forget(question);
    question.onReply(reply);
  }

  /** A message is recalled when none of its answers is wanted any more. */
  private recall(question: Question): void {
    const { message, isWanted } = question;
    this.forget(question);
    if (message === undefined || !isWanted) return;
    message.wanted--;
    if (message.wanted === 0) message.recall();
  }

  private forget(question: Question): void {
    if (question.isWanted) this.wanted--;
    question.isWanted = false;
  }
}

const NOTHING: readonly Item[] = [];
