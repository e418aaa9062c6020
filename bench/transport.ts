/**
 * Request and reply between two transports, beside the least that TCP costs.
 *
 * Two members in one process; so many requests are in flight at once, and each
 * answer sends the next. The reference is a pair of plain sockets that echo the
 * same number of bytes chunk by chunk, without frames, checksums, queues or
 * turns: the ceiling. Both take turns in one run, so that they meet the same
 * noise of the machine; what counts is the ratio of neighbouring rounds.
 *
 *     node dist/bench/transport.js [--quick]
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { pathToFileURL } from "node:url";
import { DEFAULT_LIMITS } from "../src/config.js";
import { RealClock } from "../src/real/clock.js";
import { FRAME_HEADER_BYTES } from "../src/real/frames.js";
import { RealRandom } from "../src/real/random.js";
import { TcpTransport } from "../src/real/transport.js";

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

/** Prints a table: requests a second and CPU (both ends) of either arm, then the ratio with its spread. */
export async function run({ quick }: { quick: boolean }): Promise<void> {
  const [rounds, roundMs] = quick ? [2, 60] : [7, 700];
  console.log(`${rounds} alternating rounds of ${roundMs} ms; both ends in one process`);
  console.log("in flight   bytes   frames/s  us CPU    bare/s  us CPU   frames / bare: median (least - most)");
  for (const [inFlight, bytes] of [
    [1, 100],
    [8, 100],
    [64, 100],
    [512, 100],
    [64, 1024],
    [8, 262_144],
  ] as const) {
    const [frames, bare]: [Round[], Round[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      frames.push(await measure(await framesArm(), inFlight, bytes, roundMs));
      bare.push(await measure(await bareArm(), inFlight, bytes, roundMs));
    }
    report(inFlight, bytes, frames, bare);
  }
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
  const world = { clock: new RealClock(), random: new RealRandom(), log: { info: () => {}, warn: () => {} } };
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

function report(inFlight: number, bytes: number, frames: readonly Round[], bare: readonly Round[]): void {
  const cells = [frames, bare].flatMap((rounds) => [
    median(rounds.map(({ perSecond }) => perSecond))
      .toFixed(0)
      .padStart(9),
    median(rounds.map(({ cpuMicros }) => cpuMicros))
      .toFixed(1)
      .padStart(7),
  ]);
  const ratios = frames.map(({ perSecond }, round) => perSecond / (bare[round]?.perSecond ?? Number.NaN));
  const spread = `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} - ${Math.max(...ratios).toFixed(2)})`;
  console.log(`${String(inFlight).padStart(9)} ${String(bytes).padStart(7)}  ${cells.join(" ")}   ${spread}`);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function elapsed(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await run({ quick: process.argv.includes("--quick") });
}
