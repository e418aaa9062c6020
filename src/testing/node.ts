/**
 * One node of a test cluster: its process while it runs, and what is wrong with
 * it. The faults live here, so that they outlive the process.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ClusterConfig, NodeConfig } from "../cluster-config.js";
import type { NodeId } from "../ports.js";
import { within } from "./deadline.js";
import { type Faults, NO_FAULTS, type Slowness } from "./fault-transport.js";
import { Forked } from "./forked.js";
import type { Command, NodeMessage, StartMessage, View } from "./node-messages.js";

const PROCESS_FILE = fileURLToPath(new URL("./node-process.js", import.meta.url));

/** What a test may know of a node. */
export interface ClusterNode {
  readonly id: string;
  readonly rack: string;
  readonly datacenter: string;
  /** Where clients reach it, for instance `http://127.0.0.1:20123`. */
  readonly url: string;
  /** The folder of its data. */
  readonly folder: string;
  readonly state: "running" | "paused" | "down";
  /** Of its process; undefined while there is none. */
  readonly pid: number | undefined;
}

export class TestNode implements ClusterNode {
  readonly id: NodeId;
  readonly rack: string;
  readonly datacenter: string;
  readonly url: string;
  readonly folder: string;
  /** Peers that hear nothing of it, and peers of which it hears nothing. */
  readonly cutTo = new Set<NodeId>();
  readonly cutFrom = new Set<NodeId>();
  slowness: Slowness = NO_FAULTS.slowness;
  private readonly distance: Faults["distance"];
  private forked: Forked | undefined;
  private isPaused = false;
  private commands = 0;
  private readonly acknowledged = new Map<number, (views: readonly View[]) => void>();

  constructor(
    { id, host, http, rack, datacenter }: NodeConfig,
    private readonly config: ClusterConfig,
    private readonly deadlineMs: number,
    private readonly onLine: (line: string) => void,
    distanceMs = 0,
  ) {
    const far = config.nodes.filter((node) => node.datacenter !== datacenter);
    this.distance = { to: far.map((node) => node.id), delayMs: distanceMs };
    this.id = id;
    this.rack = rack;
    this.datacenter = datacenter;
    this.url = `http://${host}:${http}`;
    this.folder = join(config.data, id);
  }

  get state(): ClusterNode["state"] {
    if (this.forked === undefined || this.forked.hasEnded) return "down";
    return this.isPaused ? "paused" : "running";
  }

  get pid(): number | undefined {
    return this.state === "down" ? undefined : this.forked?.pid;
  }

  /** Whether its frames leave when they should. */
  get isPrompt(): boolean {
    return this.slowness.percent === 0;
  }

  /** The end of its log, which may say why. */
  get lastLines(): string {
    return this.forked?.lastLines ?? "";
  }

  /** Starts its process, on the same ports and data, and waits until it is ready. */
  async start(onForked: () => void): Promise<void> {
    this.expect("down");
    const forked = new Forked(PROCESS_FILE, [this.id], { onLine: this.onLine });
    forked.unref();
    this.forked = forked;
    this.isPaused = false;
    onForked();
    forked.send({ config: this.config, id: this.id, dataDir: this.folder, faults: this.faults } satisfies StartMessage);
    try {
      const complaint = () => `${this.id} does not get ready`;
      const first = await within(this.deadlineMs, forked.firstMessage<NodeMessage>(), complaint);
      if (first === undefined) throw new Error(`${this.id} ended while it started: ${await forked.ended}`);
      if (first.kind === "failed") throw new Error(`${this.id} cannot start: ${first.message}`);
    } catch (error) {
      await forked.kill();
      throw new Error(`${(error as Error).message}\n${forked.lastLines}`.trimEnd());
    }
    forked.onMessage((message) => this.onMessage(message as NodeMessage));
  }

  /** kill -9; it may be paused. */
  async kill(): Promise<void> {
    this.expect("running", "paused");
    await this.forked?.kill();
  }

  /** Lets it finish what it is at. */
  async drain(): Promise<void> {
    this.expect("running");
    this.send({ kind: "drain" });
    const { ended } = this.forked as Forked;
    await within(
      this.deadlineMs,
      ended,
      () => `${this.id} does not end`,
      () => this.lastLines,
    );
  }

  /** When the signal is sent, no code of the process runs any more. */
  pause(): void {
    if (process.platform === "win32") {
      throw new Error("pause needs the signals SIGSTOP and SIGCONT, which Windows lacks; use partition or slow");
    }
    this.expect("running");
    this.forked?.signal("SIGSTOP");
    this.isPaused = true;
  }

  /** Comes back when it runs again and knows its faults. */
  async resume(): Promise<void> {
    this.expect("paused");
    this.forked?.signal("SIGCONT");
    this.isPaused = false;
    await this.applyFaults();
  }

  /** Deletes its data. */
  wipe(): void {
    this.expect("down");
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Comes back when the faults have taken effect; a paused node learns of them when it wakes. */
  async applyFaults(): Promise<void> {
    const command = { kind: "fault", faults: this.faults } as const;
    if (this.state === "running") await this.ask(command);
    else if (this.state === "paused") this.send(command);
  }

  /** What it thinks of all nodes; nothing when it ends meanwhile. */
  look(): Promise<readonly View[]> {
    return this.ask({ kind: "look" });
  }

  private get faults(): Faults {
    const { cutTo, cutFrom, slowness, distance } = this;
    return { cutTo: [...cutTo], cutFrom: [...cutFrom], slowness, distance };
  }

  private async ask(command: Command): Promise<readonly View[]> {
    const number = this.send(command);
    const answer = new Promise<readonly View[]>((resolve) => this.acknowledged.set(number, resolve));
    const ended = (this.forked as Forked).ended.then((): readonly View[] => []);
    const complaint = () => `${this.id} does not acknowledge a command`;
    try {
      return await within(this.deadlineMs, Promise.race([answer, ended]), complaint, () => this.lastLines);
    } finally {
      this.acknowledged.delete(number);
    }
  }

  private send(command: Command): number {
    const number = ++this.commands;
    this.forked?.send({ ...command, number });
    return number;
  }

  private onMessage(message: NodeMessage): void {
    if (message.kind === "done") this.acknowledged.get(message.number)?.(message.views ?? []);
  }

  private expect(...states: readonly ClusterNode["state"][]): void {
    if (states.includes(this.state)) return;
    throw new Error(`${this.id} is ${this.state}; this needs it ${states.join(" or ")}`);
  }
}
