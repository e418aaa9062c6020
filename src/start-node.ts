/**
 * One member in this process: its world opened, its node joined to it, its HTTP edge listening.
 *
 * In this order: the store (another process or a damaged folder is found here),
 * the layout (a file that disagrees with what is stored refuses to start), the
 * peer port, the node, the HTTP port, and then a short wait until the node's
 * answers count. Whatever fails on the way closes what was opened before it.
 */
import { readFileSync } from "node:fs";
import { authority } from "./base/authority.js";
import type { ClusterConfig, NodeConfig } from "./cluster-config.js";
import type { Limits } from "./config.js";
import { createHttpServer, type HttpServer } from "./http/server.js";
import type { Layout } from "./membership/layout.js";
import { layoutSpecOf, replicationText } from "./membership/ring.js";
import { Member } from "./node.js";
import type { Clock, Log, Random, Transport, World } from "./ports.js";
import { RealClock } from "./real/clock.js";
import type { Facts, Refusal } from "./real/facts.js";
import { openLayout } from "./real/layout-file.js";
import { Mergers } from "./real/mergers.js";
import { PromMeter } from "./real/meter.js";
import { RealRandom } from "./real/random.js";
import { openStorage, type SqliteStorage } from "./real/storage.js";
import { StorageOpenError } from "./real/storage-errors.js";
import { TcpTransport } from "./real/transport.js";
import { storeOf } from "./status.js";

export interface StartOptions {
  readonly config: ClusterConfig;
  /** Which of the config's nodes this is. */
  readonly id: string;
  /** The folder of this node alone. */
  readonly dataDir: string;
  /** Vouches that the cluster is new: nothing is waited for from owners that are not up. */
  readonly newCluster: boolean;
  readonly log: Log;
  /** For tests of clocks gone wrong: added to the wall clock. */
  readonly wallOffsetMs?: number;
  /** For tests of power loss: the kernel's boot, if not the real one. */
  readonly bootId?: string;
  /** For tests of a network gone wrong: what is returned stands between the node and its transport. */
  readonly wrapTransport?: (transport: Transport, clock: Clock, random: Random) => Transport;
}

export interface RunningNode {
  readonly httpUrl: string;
  readonly peerPort: number;
  /** Drains and stops, then calls back once. */
  stop(onStopped: () => void): void;
  /** Called at most once, when the node cannot go on. */
  onFatal(fn: (message: string) => void): void;
}

export type StartOutcome =
  | { readonly ok: true; readonly running: RunningNode }
  | { readonly ok: false; readonly message: string };

const VERSION: string = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version;

/** Starts one node. `onOutcome` comes once; a failure's message is one sentence with its remedy. */
export function startNode(options: StartOptions, onOutcome: (outcome: StartOutcome) => void): void {
  const starting = new Starting(options, onOutcome);
  starting.begin();
}

class Starting {
  private readonly clock: RealClock;
  private readonly random = new RealRandom();
  private readonly meter = new PromMeter();
  private readonly limits: Limits;
  private storage: SqliteStorage | undefined;
  private transport: TcpTransport | undefined;
  private readonly mergers: Mergers;
  private isOver = false;
  private fatal: { message: string | undefined; tell: ((message: string) => void) | undefined } = {
    message: undefined,
    tell: undefined,
  };

  constructor(
    private readonly options: StartOptions,
    private readonly onOutcome: (outcome: StartOutcome) => void,
  ) {
    this.clock = new RealClock(options.wallOffsetMs ?? 0);
    this.limits = options.config.limits;
    this.mergers = new Mergers(options.config, { limits: this.limits, meter: this.meter, log: options.log });
  }

  begin(): void {
    const { config, id } = this.options;
    const node = config.nodes.find((each) => each.id === id);
    if (node === undefined) {
      return this.fail(
        `there is no node ${id} in the cluster file; it has ${config.nodes.map((each) => each.id).join(", ")}`,
      );
    }
    this.mergers.open(([refusal]) => {
      if (refusal === undefined) this.openStore(node);
      else this.fail(refusal.sentence);
    });
  }

  private openStore(node: NodeConfig): void {
    const { config, dataDir } = this.options;
    try {
      this.storage = openStorage({ dir: dataDir, durability: config.durability, limits: this.limits });
      openLayout(this.storage, layoutSpecOf(config), (opened) => {
        if (opened.ok) this.listen(node, opened.layout);
        else this.fail(`${opened.message} (data directory ${dataDir})`);
      });
    } catch (error) {
      if (!(error instanceof StorageOpenError)) throw error;
      this.fail(error.message);
    }
  }

  private listen(node: NodeConfig, layout: Layout): void {
    const { config, log } = this.options;
    const { clock, random, meter, limits } = this;
    const peers = config.nodes.map(({ id, host, peer, datacenter }) => ({ id, host, port: peer, datacenter }));
    const options = { self: node.id, bind: node.bind, port: node.peer, peers, facts: factsOf(config, layout) };
    const shared = { secret: config.security.secret, limits, clock, random, log, meter };
    const onVerdict = (refusal: Refusal) => this.onVerdict(refusal);
    this.transport = TcpTransport.listen({ ...options, ...shared, onVerdict }, (error) => {
      if (error === undefined) this.join(node, layout);
      else this.fail(error.message);
    });
  }

  private join(node: NodeConfig, layout: Layout): void {
    const { config, log, newCluster, wrapTransport } = this.options;
    const { clock, random, meter, limits } = this;
    const storage = this.storage as SqliteStorage;
    const tcp = this.transport as TcpTransport;
    const transport = wrapTransport?.(tcp, clock, random) ?? tcp;
    const world: World = { clock, random, transport, meter, log, storage, bootId: this.options.bootId ?? bootId() };
    const member = new Member(world, { config, layout, self: node.id, newCluster });
    const http = createHttpServer({
      store: storeOf(member, config, node.id, VERSION),
      ...{ config, node, meter, log, limits, mergers: this.mergers },
      ready: () => readiness(member, config),
      wallMs: () => clock.wallMs(),
    });
    http.listen((error) => {
      if (error !== undefined) return this.fail(error.message);
      member.start(() => this.awaitVotes(member, http, node, clock.nowMs() + limits.startSettleMs));
    });
  }

  /**
   * A cluster that starts as a whole votes, and has compared its clocks, within milliseconds:
   * whoever is told "ready" can write at once. A newcomer whom the others refuse waits for the verdict.
   */
  private awaitVotes(member: Member, http: HttpServer, node: NodeConfig, untilMs: number): void {
    if (this.isOver) return;
    const isDoubted = this.transport?.isDoubted === true;
    const { rebuilding, refusing, stamps } = member.describe();
    const isSettling = rebuilding > 0 || (refusing === undefined && !stamps);
    if (isDoubted || (isSettling && this.clock.nowMs() < untilMs)) {
      this.clock.after(VOTES_CHECK_MS, () => this.awaitVotes(member, http, node, untilMs));
      return;
    }
    this.isOver = true;
    this.onOutcome({
      ok: true,
      running: {
        httpUrl: `http://${authority(node.host, http.port)}`,
        peerPort: (this.transport as TcpTransport).port,
        stop: (onStopped) => this.stop(member, http, onStopped),
        onFatal: (tell) => {
          this.fatal.tell = tell;
          if (this.fatal.message !== undefined) tell(this.fatal.message);
        },
      },
    });
  }

  private onVerdict({ field, ours, theirs, peer }: Refusal): void {
    const message = `${peer} refuses this node: ${field} is ${ours} here and ${theirs} there; make the cluster files agree`;
    if (!this.isOver) return this.fail(message);
    this.fatal.message = message;
    this.fatal.tell?.(message);
  }

  private stop(member: Member, http: HttpServer, onStopped: () => void): void {
    http.drain(() => member.stop(() => this.close(onStopped)));
  }

  private fail(message: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.close(() => this.onOutcome({ ok: false, message }));
  }

  private close(onClosed: () => void): void {
    this.mergers.close();
    const closeStorage = () => {
      if (this.storage === undefined) onClosed();
      else this.storage.close(onClosed);
    };
    if (this.transport === undefined) closeStorage();
    else this.transport.close(closeStorage);
  }
}

const VOTES_CHECK_MS = 10;

/** What every member must agree on, the most telling first. */
export function factsOf(config: ClusterConfig, layout: Layout): Facts {
  const schema = [...config.buckets].map(
    ([name, { type, cells, replication }]) =>
      `${name}=${cells === undefined ? type : `${type} of ${cells}`}/${replicationText(replication)}`,
  );
  return [
    ["cluster", config.cluster],
    ["partitions", String(config.partitions)],
    ["replication", replicationText(config.defaults.replication)],
    ["buckets", [...schema.sort(), `*=${config.defaults.type}`].join(" ")],
    ["layout", layout.digest],
  ];
}

function readiness(member: Member, config: ClusterConfig): { ready: boolean; detail: object } {
  const { rebuilding, refusing } = member.describe();
  const sees = config.nodes.filter(({ id }) => member.opinionOf(id).alive).map(({ id }) => id);
  return { ready: true, detail: { sees, rebuilding, refusing } };
}

/** Changes when the kernel was started anew. Where there is no such file, every start counts as one. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return `unknown-${process.pid}-${Date.now()}`;
  }
}
