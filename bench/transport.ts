/**
 * Request and reply between two transports, beside the least that TCP costs.
 *
 * Two members in one process; so many requests are in flight at once, and each
 * answer sends the next. The reference is a pair of plain sockets that echo the
 * same number of bytes chunk by chunk, without frames, checksums, queues or
 * turns: the ceiling. Both take turns in one run, so that they meet the same
 * noise of the machine; what counts is the ratio of neighbouring rounds.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { DEFAULT_LIMITS } from "../src/config.js";
import { RealClock } from "../src/real/clock.js";
import { FRAME_HEADER_BYTES } from "../src/real/frames.js";
import { RealRandom } from "../src/real/random.js";
import { TcpTransport } from "../src/real/transport.js";
import { SimMeter } from "../src/sim/meter.js";
import type { BenchOptions, Result, Row } from "./report.js";
import { ratioSpread, spreadOf } from "./spread.js";

const HOST = "127.0.0.1";

/** Sends `inFlight` requests of `bytes`, keeps them going, and counts the answers. */
interface Arm {
  start(inFlight: number, bytes: number): void;
  answers(): number;
  close(): void;
}

interface Round {
  readonly perSecond: number;
  readonly cpuMicros: number;
}

/** Requests in flight, and the bytes of each. */
const CASES = [
  [1, 100],
  [8, 100],
  [64, 100],
  [512, 100],
  [64, 1024],
  [8, 262_144],
] as const;
const OF_BARE = "of bare sockets";

export async function run({ quick, tiny, onProgress }: BenchOptions): Promise<Result> {
  const [rounds, roundMs] = tiny ? [1, 100] : quick ? [2, 60] : [5, 500];
  const rows: Row[] = [];
  for (const [inFlight, bytes] of CASES) {
    onProgress?.(`${inFlight} in flight, ${bytes} bytes`);
    const [frames, bare]: [Round[], Round[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      frames.push(await measure(await framesArm(), inFlight, bytes, roundMs));
      bare.push(await measure(await bareArm(), inFlight, bytes, roundMs));
    }
    rows.push(rowOf(inFlight, bytes, frames, bare));
  }
  return {
    name: "transport",
    command: "npm run bench -- transport",
    title: "Request and reply over frames, beside bare sockets that echo the same bytes",
    columns: [
      ...["in flight", "bytes"].map((name) => ({ name, isLabel: true })),
      ...["frames/s", "frames us", "bare/s", "bare us", OF_BARE].map((name) => ({ name })),
    ],
    rows,
    notes: [
      `${rounds} alternating rounds of ${roundMs} ms; median (least - most). The ratio is of neighbouring rounds.`,
      "us are CPU per request and reply, both ends together: they are one process.",
    ],
    charted: OF_BARE,
  };
}

async function measure(arm: Arm, inFlight: number, bytes: number, roundMs: number): Promise<Round> {
  arm.start(inFlight, bytes);
  await elapsed(roundMs / 5);
  const [answers, startMs, cpu] = [arm.answers(), performance.now(), process.cpuUsage()];
  await elapsed(roundMs);
  const done = arm.answers() - answers;
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - startMs) / 1000;
  arm.close();
  return { perSecond: done / seconds, cpuMicros: (user + system) / done };
}

async function framesArm(): Promise<Arm> {
  const [one, two] = await Promise.all([member("n1"), member("n2")]);
  const peers = [one, two].map((transport, index) => ({ id: `n${index + 1}`, host: HOST, port: transport.port }));
  for (const transport of [one, two]) transport.setPeers(peers);
  const isConnected = (transport: TcpTransport) => [...transport.statistics().peersConnected.values()].every(Boolean);
  while (!isConnected(one) || !isConnected(two)) await elapsed(1);
  let answers = 0;
  const echo = (transport: TcpTransport) => (from: string, frames: readonly Uint8Array[]) => {
    if (transport === one) answers += frames.length;
    for (const frame of frames) transport.send(from, frame);
    transport.release();
  };
  for (const transport of [one, two]) transport.onReceive(echo(transport));
  return {
    start: (inFlight, bytes) => {
      for (let request = 0; request < inFlight; request++) one.send("n2", Buffer.alloc(bytes, request));
      one.release();
    },
    answers: () => answers,
    close: () => {
      for (const transport of [one, two]) transport.close(() => {});
    },
  };
}

function member(self: string): Promise<TcpTransport> {
  const shared = { bind: HOST, port: 0, peers: [], facts: [], secret: undefined, limits: DEFAULT_LIMITS };
  const world = {
    clock: new RealClock(),
    random: new RealRandom(),
    log: { info: () => {}, warn: () => {} },
    meter: new SimMeter(),
  };
  return new Promise((resolve, reject) => {
    const transport = TcpTransport.listen({ self, ...shared, ...world, onVerdict: () => {} }, (error) => {
      if (error === undefined) resolve(transport);
      else reject(error);
    });
  });
}

async function bareArm(): Promise<Arm> {
  const server = createServer({ noDelay: true }, (socket) => {
    // Closing resets a socket that is still being written to.
    socket.on("data", (chunk) => socket.write(chunk)).on("error", () => {});
  });
  server.listen(0, HOST);
  await once(server, "listening");
  const socket = connect({ host: HOST, port: (server.address() as AddressInfo).port, noDelay: true });
  await once(socket, "connect");
  let [received, requestBytes] = [0, 1];
  socket.on("data", (chunk) => {
    received += chunk.length;
    socket.write(chunk);
  });
  return {
    start: (inFlight, bytes) => {
      requestBytes = FRAME_HEADER_BYTES + bytes;
      socket.write(Buffer.alloc(inFlight * requestBytes, 1));
    },
    answers: () => received / requestBytes,
    close: () => {
      socket.destroy();
      server.close();
    },
  };
}

function rowOf(inFlight: number, bytes: number, frames: readonly Round[], bare: readonly Round[]): Row {
  const rates = (rounds: readonly Round[]) => rounds.map(({ perSecond }) => perSecond);
  const cpu = (rounds: readonly Round[]) => spreadOf(rounds.map(({ cpuMicros }) => cpuMicros)).median;
  return {
    "in flight": inFlight,
    bytes,
    "frames/s": spreadOf(rates(frames)),
    "frames us": cpu(frames),
    "bare/s": spreadOf(rates(bare)),
    "bare us": cpu(bare),
    [OF_BARE]: ratioSpread(rates(frames), rates(bare)),
  };
}

function elapsed(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
