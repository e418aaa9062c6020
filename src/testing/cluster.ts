/**
 * A running test cluster and its faults. Every method comes back when what it
 * did has taken effect, or rejects with what stood in the way.
 *
 * Faults add up until `heal`, which undoes all but kills. They outlive a
 * restart of the node they concern.
 */
/// <reference lib="esnext.disposable" preserve="true" />
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeOptions, writeClusterFile } from "./cluster-text.js";
import { untilNone } from "./deadline.js";
import { NO_FAULTS, type Slowness } from "./fault-transport.js";
import { freePorts, giveBack } from "./free-ports.js";
import { type ClusterNode, TestNode } from "./node.js";
import { type ClusterOptions, checkOptions, checkSlowness } from "./options.js";
import { lackingViews } from "./views.js";
import { Warden } from "./warden.js";

const DEADLINE_MS = 30_000;
const NODES = 3;

/** One node or several. */
type Ids = string | readonly string[];

export class TestCluster implements AsyncDisposable {
  readonly nodes: readonly ClusterNode[];
  /** Where clients reach the nodes, in their order. */
  readonly urls: readonly string[];
  /** The cluster file, for the command `murmur`. */
  readonly file: string;
  private readonly members: readonly TestNode[];
  private readonly warden: Warden;
  private isStopped = false;

  private constructor(
    private readonly folder: string,
    private readonly ports: readonly number[],
    private readonly deadlineMs: number,
    options: ClusterOptions,
  ) {
    const { nodes = NODES, log = () => {}, deadlineMs: _, distanceMs = 0, ...settings } = options;
    const { file, config } = writeClusterFile(folder, nodeOptions(nodes), ports, settings);
    this.file = file;
    this.members = config.nodes.map((node) => new TestNode(node, config, deadlineMs, log, distanceMs));
    this.nodes = this.members;
    this.urls = this.nodes.map(({ url }) => url);
    this.warden = new Warden(folder);
  }

  /** Nothing runs yet but what cleans up. */
  static async create(options: ClusterOptions): Promise<TestCluster> {
    checkOptions(options);
    const { nodes = NODES, deadlineMs = DEADLINE_MS } = options;
    const ports = await freePorts(2 * nodeOptions(nodes).length);
    const folder = mkdtempSync(join(tmpdir(), "murmur-testing-"));
    try {
      return new TestCluster(folder, ports, deadlineMs, options);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      giveBack(ports);
      throw error;
    }
  }

  /** A node by its id. */
  node(id: string): ClusterNode {
    return this.member(id);
  }

  /** Starts the killed nodes named, or all, on their ports and data. Comes back when all that can see each other do. */
  async start(ids: Ids = this.down()): Promise<void> {
    await Promise.all(this.listed(ids).map((node) => node.start(() => this.report())));
    await this.settle();
  }

  /** Ends a node as kill -9 does. */
  async kill(id: string): Promise<void> {
    await this.member(id).kill();
    this.report();
  }

  /** Ends a node in an orderly way: it finishes what it is at. */
  async drain(id: string): Promise<void> {
    await this.member(id).drain();
    this.report();
  }

  /** Stops a node in its tracks (SIGSTOP). It stays connected and says nothing. */
  async pause(id: string): Promise<void> {
    this.member(id).pause();
  }

  /** Lets a paused node go on (SIGCONT). */
  async resume(id: string): Promise<void> {
    await this.member(id).resume();
  }

  /** Deletes the data of a killed node. When it starts again it is not believed before it has caught up. */
  async wipe(id: string): Promise<void> {
    this.member(id).wipe();
  }

  /** Cuts all links between different groups, both ways. A node in no group keeps its links. */
  async partition(...groups: readonly (readonly string[])[]): Promise<void> {
    const named = groups.flat();
    const twice = named.find((id, index) => named.indexOf(id) !== index);
    if (twice !== undefined) throw new TypeError(`${twice} is in more than one place of the partition`);
    if (groups.length < 2) throw new TypeError("a partition has two groups or more, such as ['n1'], ['n2', 'n3']");
    for (const from of groups) for (const to of groups) if (from !== to) this.disconnect(from, to);
    await this.applyFaults();
  }

  /** Cuts one direction: what `from` sends does not arrive at `to` any more. */
  async cut(from: Ids, to: Ids): Promise<void> {
    this.disconnect(from, to);
    await this.applyFaults();
  }

  /** Makes a gray node: of the frames it sends to others, so many percent leave so much later. 0 percent ends it. */
  async slow(id: string, slowness: Slowness): Promise<void> {
    checkSlowness(slowness);
    const { percent, delayMs } = slowness;
    const node = this.member(id);
    node.slowness = { percent, delayMs };
    await node.applyFaults();
  }

  /** Undoes cuts, slowness and pauses. Comes back when all nodes that run see each other, and, if all run, have caught up. */
  async heal(): Promise<void> {
    this.expectRunning();
    for (const node of this.members) {
      node.cutTo.clear();
      node.cutFrom.clear();
      node.slowness = NO_FAULTS.slowness;
    }
    await Promise.all(this.members.map((node) => (node.state === "paused" ? node.resume() : node.applyFaults())));
    await this.settle();
  }

  /** Ends all processes at once and removes their folder. May be called again. */
  async stop(): Promise<void> {
    if (this.isStopped) return;
    this.isStopped = true;
    await Promise.all(this.members.map((node) => (node.state === "down" ? undefined : node.kill())));
    rmSync(this.folder, { recursive: true, force: true });
    await this.warden.dismiss();
    giveBack(this.ports);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  private disconnect(from: Ids, to: Ids): void {
    for (const sender of this.listed(from)) {
      for (const receiver of this.listed(to)) {
        if (sender === receiver) throw new TypeError(`${sender.id} cannot be cut off from itself`);
        sender.cutTo.add(receiver.id);
        receiver.cutFrom.add(sender.id);
      }
    }
  }

  private async applyFaults(): Promise<void> {
    await Promise.all(this.members.map((node) => node.applyFaults()));
  }

  /** Waits for what the faults that remain allow. */
  private async settle(): Promise<void> {
    const hear = (one: string, other: string) =>
      !this.member(one).cutFrom.has(other) && !this.member(other).cutFrom.has(one);
    const ask = async () => {
      const asked = this.members.filter(({ state, isPrompt }) => state === "running" && isPrompt);
      const views = new Map(await Promise.all(asked.map(async (node) => [node.id, await node.look()] as const)));
      const isWhole = asked.length === this.members.length && asked.every(({ cutFrom }) => cutFrom.size === 0);
      return lackingViews(views, hear, isWhole);
    };
    await untilNone(this.deadlineMs, ask, () => this.members.map(({ lastLines }) => lastLines).join("\n"));
  }

  private report(): void {
    this.warden.watch(this.members.flatMap(({ pid }) => pid ?? []));
  }

  private down(): string[] {
    return this.members.filter(({ state }) => state === "down").map(({ id }) => id);
  }

  private listed(ids: Ids): TestNode[] {
    return (typeof ids === "string" ? [ids] : ids).map((id) => this.member(id));
  }

  private member(id: string): TestNode {
    this.expectRunning();
    const node = this.members.find((each) => each.id === id);
    if (node !== undefined) return node;
    throw new TypeError(`there is no node ${id}; the cluster has ${this.members.map((each) => each.id).join(", ")}`);
  }

  private expectRunning(): void {
    if (this.isStopped) throw new Error("the cluster was stopped");
  }
}
