/**
 * Garbage at both ports of a real node, while a good client asks it all the time:
 * it must not die, answer nothing but refusals, keep its memory, and serve.
 *
 * Three nodes own everything. The third does not run: whoever sends the frames
 * says to be it, knows the secret, and answers what it is asked with nonsense.
 */
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spreadOf } from "../bench/spread.js";
import { below, happens } from "../src/base/random.js";
import { SeededRandom } from "../src/base/seeded.js";
import { computeLayout, isRefusal } from "../src/membership/layout.js";
import { layoutSpecOf } from "../src/membership/ring.js";
import { loadClusterFile } from "../src/real/cluster-file.js";
import { FrameParser, packFrames } from "../src/real/frames.js";
import { Handshake, newInstance, type Party } from "../src/real/handshake.js";
import { factsOf } from "../src/start-node.js";
import { eachOf, ProcessCluster, TYPED_BUCKETS, until } from "../test/process-cluster.js";
import { FrameGarbage } from "./garbage-frames.js";
import { HttpGarbage, verdictOn } from "./garbage-http.js";
import { GoodClient } from "./good-client.js";
import { closed, introduce, knock, partyOf, shakeHands } from "./hostile-peer.js";
import { Scale } from "./scale.js";

export interface FuzzOptions {
  readonly frames: number;
  readonly requests: number;
  readonly seed: number;
  say(sentence: string): void;
}

export interface FuzzReport {
  readonly seed: number;
  readonly frames: number;
  readonly connections: number;
  readonly questionsAnsweredWithNonsense: number;
  readonly requests: number;
  /** How often each status was answered. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Resident memory of the node at tenths of the way. */
  readonly memoryMiB: readonly number[];
  /** What is left of it after a full collection: the heap, and what hangs on it. */
  readonly heldMiB: readonly number[];
  readonly goodAnswers: number;
  readonly goodRefusals: number;
  readonly goodLongestMs: number;
  readonly complaints: readonly string[];
}

const TARGET = "n1";
const HOSTILE = "n3";
const HOST = "127.0.0.1";
const BATCH_FRAMES_MAX = 5000;
const ANSWERS_MAX = 10_000;
const STRANGER_CHANCE = 0.02;
const REQUESTS_AT_ONCE = 200;
/** Long enough for an answer; what has no end, such as a stream of events, is left. */
const SILENCE_MS_MAX = 250;
const STEPS = 10;
/** From the second third of the frames, or requests, to the last: heaps breathe. */
const MEMORY_GROWTH_MIB_MAX = 50;
/** The same after a full collection. In the first third code is compiled and tables fill. */
const HELD_GROWTH_MIB_MAX = 8;
/** What must be none when nobody asks any more; the longest request lives half a minute. */
const GAUGES = ["requests_pending", "requests_admitted", "body_bytes_pending", "event_listeners"].map(
  (name) => `murmur_${name}`,
);
const GIVEN_BACK_MS_MAX = 40_000;

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const secretFile = join(tmpdir(), `murmur-fuzz-${process.pid}.secret`);
  writeFileSync(secretFile, "known to friend and foe alike", { mode: 0o600 });
  const lines = [`security: { secretFile: ${JSON.stringify(secretFile)} }`, ...TYPED_BUCKETS];
  const weightFile = join(tmpdir(), `murmur-fuzz-${process.pid}.weight`);
  const cluster = await ProcessCluster.create({ nodes: 3, lines, env: Scale.envFor(weightFile) });
  try {
    await cluster.startAll();
    await cluster.kill(HOSTILE);
    return await new Fuzz(cluster, new Scale(cluster, TARGET, weightFile), options).run();
  } finally {
    for (const file of [secretFile, weightFile]) rmSync(file, { force: true });
    await cluster.close();
  }
}

class Fuzz {
  private readonly random: SeededRandom;
  private readonly party: Party;
  private readonly frameGarbage: FrameGarbage;
  private readonly httpGarbage: HttpGarbage;
  private readonly overheard: Buffer[] = [];
  private readonly statuses: Record<string, number> = {};
  private readonly complaints: string[] = [];
  private readonly memoryMiB: number[] = [];
  private readonly heldMiB: number[] = [];
  private frames = 0;
  private connections = 0;
  private nonsense = 0;
  /** To questions of the target, for the next batch. */
  private readonly answers: Uint8Array[] = [];
  private readonly heard = new Set<Socket>();

  constructor(
    private readonly cluster: ProcessCluster,
    private readonly scale: Scale,
    private readonly options: FuzzOptions,
  ) {
    const config = loadClusterFile(cluster.file);
    if (Array.isArray(config)) throw new Error(JSON.stringify(config));
    const layout = computeLayout(undefined, layoutSpecOf(config));
    if (isRefusal(layout)) throw new Error(layout.refusal);
    this.random = new SeededRandom(options.seed);
    this.party = partyOf(HOSTILE, newInstance(this.random), factsOf(config, layout), config.security.secret);
    this.frameGarbage = new FrameGarbage(this.random.fork("frames"), options.seed, layout.version);
    this.httpGarbage = new HttpGarbage(this.random.fork("requests"));
  }

  async run(): Promise<FuzzReport> {
    const { frames, requests, seed, say } = this.options;
    const good = new GoodClient(this.cluster, TARGET);
    const acceptor = await this.answerWithNonsense();
    for (let step = 1; step <= STEPS; step++) {
      await this.sendFrames(Math.round((frames * step) / STEPS));
      await this.noteMemory();
      say(`${this.frames} frames, ${this.memoryMiB.at(-1)} MiB`);
    }
    for (const socket of this.heard) socket.destroy();
    await once(acceptor.close(), "close");
    const framesOnly = this.heldMiB.length;
    for (let step = 1; step <= STEPS; step++) {
      await this.sendRequests(Math.round(requests / STEPS));
      await this.noteMemory();
      say(`${Math.round((requests * step) / STEPS)} requests, ${this.memoryMiB.at(-1)} MiB`);
    }
    await good.end();
    this.complaints.push(...good.complaints);
    await this.checkGivenBack();
    for (const [from, to] of [[0, framesOnly], [framesOnly]]) {
      this.checkFlat("what is held", this.heldMiB.slice(from, to), HELD_GROWTH_MIB_MAX);
      this.checkFlat("memory", this.memoryMiB.slice(from, to), MEMORY_GROWTH_MIB_MAX);
    }
    await this.checkNode();
    return {
      ...{ seed, frames: this.frames, connections: this.connections, requests },
      ...{
        questionsAnsweredWithNonsense: this.nonsense,
        statuses: this.statuses,
        memoryMiB: this.memoryMiB,
        heldMiB: this.heldMiB,
      },
      ...{ goodAnswers: good.answers, goodRefusals: good.refusals, goodLongestMs: Math.round(good.longestMs) },
      complaints: this.complaints,
    };
  }

  /** Until so many frames were sent in all. A connection lasts for a batch, and mostly ends in a frame that spoils it. */
  private async sendFrames(until: number): Promise<void> {
    const { random, frameGarbage } = this;
    while (this.frames < until) {
      if (this.overheard.length > 0 && happens(random, STRANGER_CHANCE)) await this.visit();
      const member = await introduce(
        this.party,
        TARGET,
        this.port,
        random,
        this.overheard.length === 0 ? this.overheard : [],
      );
      this.connections++;
      const answers = this.answers.splice(0);
      this.nonsense += answers.length;
      const batch = Array.from({ length: 1 + below(random, BATCH_FRAMES_MAX) }, () => frameGarbage.payload());
      const payloads = [...answers, ...batch];
      const last = happens(random, 0.8) ? [frameGarbage.spoiled()] : [];
      member.write(Buffer.concat([...packFrames(payloads), ...last]));
      this.frames += payloads.length + last.length;
      // The node closes when it has read the end.
      member.end();
      await closed(member);
    }
  }

  /** Somebody without an introduction. */
  private async visit(): Promise<void> {
    const count = 1 + below(this.random, 50);
    await eachOf(Array.from({ length: count }), 8, async () => {
      const socket = await knock(this.port);
      socket.resume();
      this.connections++;
      this.frames++;
      socket.end(this.frameGarbage.stranger(this.overheard));
      await closed(socket);
    });
  }

  /** Listens where the third node would; the target's questions are answered over the connection of the frames. */
  private async answerWithNonsense(): Promise<Server> {
    const server = createServer({ noDelay: true }, (socket) => {
      socket.on("error", () => {});
      shakeHands(socket, new Handshake(this.party, undefined, this.random)).then(
        () => this.hear(socket),
        () => socket.destroy(),
      );
    });
    server.listen(this.cluster.peerPortOf(HOSTILE), HOST);
    await once(server, "listening");
    return server;
  }

  private hear(socket: Socket): void {
    this.heard.add(socket);
    const parser = new FrameParser(Number.MAX_SAFE_INTEGER);
    socket.on("data", (chunk: Buffer) => {
      for (const frame of parser.push(chunk).payloads) {
        const answer = frame.length === 0 ? undefined : this.frameGarbage.answer(frame);
        if (answer !== undefined && this.answers.length < ANSWERS_MAX) this.answers.push(answer);
      }
    });
  }

  private async sendRequests(count: number): Promise<void> {
    await eachOf(Array.from({ length: count }), REQUESTS_AT_ONCE, async () => {
      const bytes = this.httpGarbage.next();
      const text = await this.provoke(bytes);
      for (const status of verdictOn(text, (complaint) => this.complain(bytes, complaint))) {
        this.statuses[status] = (this.statuses[status] ?? 0) + 1;
      }
    });
  }

  private provoke(bytes: Buffer): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect(this.httpPort, HOST);
      let text = "";
      socket.setEncoding("latin1").on("data", (chunk: string) => {
        text += chunk;
      });
      socket.on("error", () => {});
      socket.setTimeout(SILENCE_MS_MAX, () => socket.destroy());
      socket.on("close", () => resolve(text));
      socket.end(bytes);
    });
  }

  private complain(bytes: Buffer, complaint: string): void {
    this.complaints.push(`${JSON.stringify(bytes.toString("latin1").slice(0, 2000))}: ${complaint}`);
  }

  private async noteMemory(): Promise<void> {
    this.memoryMiB.push(await this.scale.residentMiB());
    this.heldMiB.push(await this.scale.heldMiB());
  }

  /** Nothing is kept for those who are gone. */
  private async checkGivenBack(): Promise<void> {
    const untilMs = performance.now() + GIVEN_BACK_MS_MAX;
    const left = async () => {
      const amounts = await Promise.all(GAUGES.map(async (name) => [name, await this.scale.metric(name)] as const));
      return amounts.flatMap(([name, amount]) => (amount === 0 ? [] : `${name} is ${amount} after the storm`));
    };
    const complaints = await until(left, ({ length }) => length === 0 || performance.now() > untilMs);
    this.complaints.push(...complaints);
  }

  private checkFlat(name: string, samplesMiB: readonly number[], growthMibMax: number): void {
    const third = Math.floor(samplesMiB.length / 3);
    const before = spreadOf(samplesMiB.slice(-2 * third, -third)).median;
    const last = spreadOf(samplesMiB.slice(-third)).median;
    if (last - before > growthMibMax) this.complaints.push(`${name} grew from ${before} to ${last} MiB`);
  }

  /** It is the same process, and it is well. */
  private async checkNode(): Promise<void> {
    const { body } = await this.cluster.call("GET", TARGET, "/v1/cluster");
    const { uptimeMs }: { uptimeMs: number } = JSON.parse(String(body));
    if (!(uptimeMs > 0)) this.complaints.push("the node does not say how long it has run");
    await until(
      () => this.cluster.call("GET", TARGET, "/health/ready"),
      ({ status }) => status === 200,
    );
  }

  private get port(): number {
    return this.cluster.peerPortOf(TARGET);
  }

  private get httpPort(): number {
    return Number(new URL(this.cluster.url(TARGET)).port);
  }
}
