import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { below } from "../src/base/random.js";
import { FRAME_HEADER_BYTES, FrameParser, type Parsed, packFrames } from "../src/real/frames.js";
import { SimRandom } from "../src/sim/random.js";

const PAYLOAD_BYTES_MAX = 40_000;

function streamOf(payloads: readonly Uint8Array[]): Buffer {
  return Buffer.concat(packFrames(payloads));
}

/** Parses `stream` cut into chunks of the given sizes, taken in a ring. */
function parse(stream: Buffer, chunkSizes: readonly number[], parser = new FrameParser(PAYLOAD_BYTES_MAX)): Parsed {
  const payloads: Uint8Array[] = [];
  let malformed: string | undefined;
  for (let offset = 0, chunk = 0; offset < stream.length; chunk++) {
    const size = chunkSizes[chunk % chunkSizes.length] as number;
    // A copy, as each read of a socket has memory of its own.
    const parsed = parser.push(Buffer.from(stream.subarray(offset, offset + size)));
    payloads.push(...parsed.payloads);
    malformed = parsed.malformed;
    offset += size;
  }
  return { payloads, malformed };
}

function sameBytes(actual: readonly Uint8Array[], expected: readonly Uint8Array[]): void {
  assert.equal(actual.length, expected.length);
  for (const [index, bytes] of expected.entries()) {
    assert.ok(Buffer.compare(actual[index] as Uint8Array, bytes) === 0, `payload ${index} differs`);
  }
}

const payloads = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.uint8Array({ maxLength: 200 }) },
    { weight: 1, arbitrary: fc.nat(PAYLOAD_BYTES_MAX).map((length) => new Uint8Array(length).fill(length)) },
  ),
  { maxLength: 12 },
);
const chunkSizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 70_000 })), {
  minLength: 1,
  maxLength: 6,
});

test("however a stream is cut, the frames are those that were sent", () => {
  fc.assert(
    fc.property(payloads, chunkSizes, (sent, sizes) => {
      const { payloads: received, malformed } = parse(streamOf(sent), sizes);
      assert.equal(malformed, undefined);
      sameBytes(received, sent);
    }),
    { numRuns: 150 },
  );
});

test("however a damaged stream is cut, it gives the same frames and fails alike", () => {
  const damage = fc.tuple(
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    fc.integer({ min: 1, max: 255 }),
  );
  fc.assert(
    fc.property(payloads, chunkSizes, damage, (sent, sizes, [place, flip]) => {
      const stream = streamOf(sent);
      if (stream.length === 0) return;
      const at = Math.floor(place * stream.length);
      stream[at] = (stream[at] as number) ^ flip;
      const whole = parse(stream, [stream.length]);
      const cut = parse(stream, sizes);
      sameBytes(cut.payloads, whole.payloads);
      assert.equal(cut.malformed, whole.malformed);
      // What is given was sent: at most the frames before the damaged one.
      sameBytes(whole.payloads, sent.slice(0, whole.payloads.length));
      assert.ok(whole.payloads.length < sent.length);
    }),
    { numRuns: 150 },
  );
});

test("forty thousand mutated frames never crash the parser nor give a wrong payload", () => {
  const random = new SimRandom("mutated frames");
  let refused = 0;
  for (let round = 0; round < 40_000; round++) {
    const sent = [Buffer.alloc(below(random, 40), round), Buffer.from(`frame ${round}`)];
    let stream = streamOf(sent);
    for (let mutations = 1 + below(random, 3); mutations > 0; mutations--) {
      const at = below(random, stream.length);
      const kind = below(random, 3);
      if (kind === 0) stream[at] = random.u32() & 255;
      else if (kind === 1) stream = Buffer.concat([stream.subarray(0, at), stream.subarray(at + 1)]);
      else stream = Buffer.concat([stream.subarray(0, at), Buffer.from([random.u32()]), stream.subarray(at)]);
    }
    const { payloads: received, malformed } = parse(stream, [1 + below(random, stream.length)]);
    if (malformed !== undefined) refused++;
    for (const payload of received) assert.ok(sent.some((bytes) => Buffer.compare(bytes, payload) === 0));
  }
  assert.ok(refused > 30_000, `${refused} refused`);
});

test("a claimed length allocates nothing", () => {
  const parser = new FrameParser(256 * 1024 * 1024);
  const header = streamOf([new Uint8Array(1)]).subarray(0, FRAME_HEADER_BYTES);
  header.writeUInt32BE(200 * 1024 * 1024, 4);
  const beforeBytes = process.memoryUsage().arrayBuffers;
  for (const byte of header) assert.equal(parser.push(Buffer.from([byte])).malformed, undefined);
  parser.push(Buffer.alloc(1000));
  assert.ok(process.memoryUsage().arrayBuffers - beforeBytes < 1024 * 1024);
});

test("a length beyond the limit is malformed as soon as the header is there", () => {
  const stream = streamOf([new Uint8Array(101)]);
  const parser = new FrameParser(100);
  assert.equal(parser.push(stream.subarray(0, FRAME_HEADER_BYTES)).malformed, "a frame of 101 bytes");
  assert.deepEqual(parser.push(streamOf([new Uint8Array(1)])), { payloads: [], malformed: "a frame of 101 bytes" });
});

test("a frame that arrives in small pieces costs linear time", () => {
  // Of its own work alone, and the least of several: a busy machine makes anything slow.
  const leastMsFor = (bytes: number): number => {
    const stream = streamOf([new Uint8Array(bytes)]);
    const times = Array.from({ length: 5 }, () => {
      const before = process.cpuUsage();
      assert.equal(parse(stream, [100], new FrameParser(bytes)).payloads.length, 1);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000;
    });
    return Math.min(...times);
  };
  // Eight times the bytes; copying all that was held at each piece would cost 64 times as much.
  const [small, large] = [leastMsFor(500_000), leastMsFor(4_000_000)];
  assert.ok(large < 30 * Math.max(small, 1), `${small} ms, then ${large} ms`);
});

test("small payloads share one buffer, large ones are not copied", () => {
  const small = Array.from({ length: 100 }, (_, index) => Buffer.alloc(100, index));
  assert.equal(packFrames(small).length, 1);
  const large = Buffer.alloc(1_000_000, 1);
  const buffers = packFrames([...small, large, ...small]);
  assert.equal(buffers.length, 3);
  assert.ok(buffers.some((buffer) => buffer.buffer === large.buffer));
  sameBytes(parse(Buffer.concat(buffers), [65_536], new FrameParser(large.length)).payloads, [
    ...small,
    large,
    ...small,
  ]);
});
