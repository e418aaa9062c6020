/**
 * `murmur watch`: the events of all nodes at once, a line each second for the
 * cluster and one for whatever happens to a member, with who says so.
 *
 * Nodes that die are told and waited for. Only when no node at all answers in
 * the beginning does the command end: there it is the address that is wrong.
 */
import type { MemberEvent } from "../http/events.js";
import type { StatsEvent } from "../http/stats.js";
import { type ClusterOptions, type Target, targetsOf } from "./cluster.js";
import { countOf } from "./count.js";
import { CommandFailure, EXIT, type ExitCode } from "./exit.js";
import { Follower, type Loss } from "./follower.js";
import { onStopSignals } from "./signals.js";
import { paint, print, printJson, say } from "./terminal.js";
import { headLine, MARKS, totalsLine, totalsOf, type Watched } from "./watch-view.js";

export interface WatchOptions extends ClusterOptions {
  readonly count?: string;
}

const LINE_EVERY_MS = 1000;
/** As many intervals of a node without its figures, and it is called silent. */
const INTERVALS_SILENT = 3;
const HEAD_EVERY_LINES = 20;

/** Ends at Ctrl-C or after `--count` lines. */
export async function watch(options: WatchOptions): Promise<ExitCode> {
  const linesMax = options.count === undefined ? Number.POSITIVE_INFINITY : countOf("--count", options.count);
  const watching = new Watching(await targetsOf(options), options.json === true, linesMax);
  const offSignals = onStopSignals(
    () => watching.end(),
    () => process.exit(EXIT.ok),
  );
  try {
    await watching.ended;
  } finally {
    watching.stop();
    offSignals();
  }
  return EXIT.ok;
}

interface Node extends Watched {
  node: string;
  state: Watched["state"];
  stats: StatsEvent | undefined;
  heardMs: number;
  /** It said goodbye: that its stream ends is no news. */
  isStopping: boolean;
  /** Why its stream was last lost. */
  loss: Loss | undefined;
}

class Watching {
  readonly ended: Promise<void>;
  end: () => void = () => {};
  private fail: (failure: CommandFailure) => void = () => {};
  private readonly nodes: Node[];
  private readonly followers: Follower[];
  private readonly ticking: NodeJS.Timeout;
  private lines = 0;
  private isReached = false;

  constructor(
    targets: readonly Target[],
    private readonly json: boolean,
    private readonly linesMax: number,
  ) {
    this.ended = new Promise((resolve, reject) => {
      this.end = resolve;
      this.fail = reject;
    });
    const unheard = { state: "connecting", stats: undefined, heardMs: 0, isStopping: false } as const;
    this.nodes = targets.map(({ node }) => ({ ...unheard, node, loss: undefined }));
    this.followers = targets.map(({ url }, index) => this.follow(this.nodes[index] as Node, url));
    if (!json) say(paint("dim", MARKS, process.stderr));
    for (const follower of this.followers) follower.start();
    this.ticking = setInterval(() => this.tick(), LINE_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.ticking);
    for (const follower of this.followers) follower.stop();
  }

  private follow(node: Node, url: string): Follower {
    return new Follower(url, {
      onOpen: () => this.onOpen(node),
      onEvent: (name, data) => this.onEvent(node, name, data),
      onLost: (loss) => this.onLost(node, loss),
    });
  }

  private onOpen(node: Node): void {
    if (!this.isReached) {
      this.isReached = true;
      for (const other of this.nodes) if (other.state === "lost") this.tellLoss(other);
    }
    if (node.state === "lost") this.tell(node, "connected", "connected again");
    node.state = "open";
    node.heardMs = performance.now();
    node.isStopping = false;
  }

  private onLost(node: Node, loss: Loss): void {
    const isNews = node.state !== "lost" && !node.isStopping;
    node.state = "lost";
    node.stats = undefined;
    node.loss = loss;
    if (this.isReached && isNews) this.tellLoss(node);
    if (!this.isReached && this.nodes.every(({ state }) => state === "lost")) this.giveUp();
  }

  private tellLoss(node: Node): void {
    const reason = node.loss?.reason;
    this.tell(node, "lost", `no connection (${reason}), trying again`, reason);
  }

  /** Nobody was ever reached. */
  private giveUp(): void {
    const reasons = this.nodes.map(({ node, loss }) => `${node} (${loss?.reason})`).join(", ");
    const isAnswered = this.nodes.some(({ loss }) => loss?.isAnswer);
    const sentence = `no node tells its events: ${reasons}${isAnswered ? "" : "; is the cluster up?"}`;
    const exitCode = isAnswered ? EXIT.failure : EXIT.unreachable;
    this.fail(new CommandFailure(exitCode, sentence, { code: isAnswered ? "refused" : "unreachable" }));
  }

  private onEvent(node: Node, name: string, data: unknown): void {
    node.heardMs = performance.now();
    if (name === "hello") node.node = (data as { node: string }).node;
    else if (name === "stats") this.onStats(node, data as StatsEvent);
    else if (name === "member") this.onMember(data as MemberEvent);
    else if (name === "bye") {
      node.isStopping = true;
      this.tell(node, "stopping", "stops");
    }
  }

  private onStats(node: Node, stats: StatsEvent): void {
    if (node.state === "silent") this.tell(node, "connected", "speaks again");
    node.state = "open";
    node.stats = stats;
  }

  private onMember(event: MemberEvent): void {
    if (this.json) printJson({ event: "member", ...event });
    else {
      const { node, change, by } = event;
      const colour = change === "down" ? "red" : change === "rebuilding" ? "yellow" : "green";
      const words =
        change === "up" || change === "down" ? `is ${change}` : change === "rebuilt" ? "is rebuilt" : "rebuilds";
      print(`${clockTime()}  ${paint(colour, `${node} ${words}`)}, says ${by}`);
    }
  }

  /** News about a stream. */
  private tell(
    { node }: Node,
    state: "connected" | "lost" | "silent" | "stopping",
    words: string,
    reason?: string,
  ): void {
    if (this.json) printJson({ event: "connection", at: Date.now(), node, state, reason });
    else print(`${clockTime()}  ${paint(state === "connected" ? "green" : "yellow", `${node}: ${words}`)}`);
  }

  private tick(): void {
    const nowMs = performance.now();
    for (const node of this.nodes) {
      const silenceMsMax = INTERVALS_SILENT * Math.max(LINE_EVERY_MS, node.stats?.intervalMs ?? 0);
      if (node.state !== "open" || nowMs - node.heardMs <= silenceMsMax) continue;
      node.state = "silent";
      node.stats = undefined;
      this.tell(node, "silent", "silent");
    }
    // The figures of the first second are still to come.
    if (this.lines === 0 && this.nodes.some(({ state, stats }) => state === "open" && stats === undefined)) return;
    this.printLine();
    if (++this.lines >= this.linesMax) this.end();
  }

  private printLine(): void {
    const all = this.nodes.flatMap(({ stats }) => stats ?? []);
    const totals = totalsOf(all);
    if (this.json) {
      const nodes = this.nodes.map(({ node, state, stats }) => ({ node, state, stats }));
      printJson({ event: "stats", at: Date.now(), totals, nodes });
      return;
    }
    const isHeadDue = this.lines === 0 || (process.stdout.isTTY && this.lines % HEAD_EVERY_LINES === 0);
    if (isHeadDue) print(paint("bold", headLine()));
    print(totalsLine(clockTime(), totals, this.nodes));
  }
}

/** `14:03:59`, as the clock on the wall. */
function clockTime(): string {
  return new Date().toTimeString().slice(0, 8);
}
