/**
 * Whoever knows the secret and all the facts, and means ill: one end of a
 * connection to a real node, from the genuine handshake on.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Random } from "../src/base/random.js";
import type { NodeId } from "../src/ports.js";
import type { Facts } from "../src/real/facts.js";
import { FrameParser, packFrames } from "../src/real/frames.js";
import { Handshake, type HandshakeEnd, type Party } from "../src/real/handshake.js";

const HOST = "127.0.0.1";

/** What a node would bring to a handshake that has just started and knows nobody. */
export function partyOf(self: NodeId, instance: Uint8Array, facts: Facts, secret: Uint8Array | undefined): Party {
  return { self, instance, facts, secret, ageMs: () => 0, isSettled: () => false, admit: () => undefined };
}

/** A connection whose near end says no more than it is told to. An error is followed by "close". */
export async function knock(port: number): Promise<Socket> {
  const socket = connect({ port, host: HOST, noDelay: true });
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** Waits for its end, be it a reset: `once` would reject with the error that comes before. */
export function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => (socket.closed ? resolve() : socket.once("close", () => resolve())));
}

/** Dials `to` and shakes hands. Rejects when it is not accepted. `said` gets a copy of what was sent. */
export async function introduce(
  party: Party,
  to: NodeId,
  port: number,
  random: Random,
  said: Buffer[] = [],
): Promise<Socket> {
  const socket = await knock(port);
  const end = await shakeHands(socket, new Handshake(party, to, random), said);
  if (end.kind !== "accepted") throw new Error(JSON.stringify(end));
  socket.resume();
  return socket;
}

/** Plays a handshake to its end at either side of a connection. What follows it is dropped. */
export function shakeHands(socket: Socket, handshake: Handshake, said: Buffer[] = []): Promise<HandshakeEnd> {
  const parser = new FrameParser(Number.MAX_SAFE_INTEGER);
  const say = (messages: readonly Uint8Array[]): void => {
    if (messages.length === 0) return;
    const frames = packFrames(messages);
    said.push(...frames);
    for (const bytes of frames) socket.write(bytes);
  };
  return new Promise((resolve, reject) => {
    const onClose = () => reject(new Error("closed before the handshake ended"));
    const onData = (chunk: Buffer): void => {
      for (const message of parser.push(chunk).payloads) {
        const step = handshake.onMessage(message);
        say(step.say);
        if (step.end === undefined) continue;
        socket.off("data", onData).off("close", onClose);
        return resolve(step.end);
      }
    };
    socket.on("data", onData).on("close", onClose);
    say(handshake.open());
  });
}
