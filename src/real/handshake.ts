/**
 * The handshake of two nodes: who are you, do you know the secret, is your cluster mine?
 *
 *     dialler   hello   proof   facts
 *     acceptor  hello   facts   welcome         or, after the hello: refused
 *
 * A pure state machine over messages; connection.ts gives it a socket.
 *
 * - A hello names both ends, so a wrong address is found out, and carries the
 *   process instance, so two nodes of one name are. Its layout is the same in
 *   every protocol: later ones may only add to its end.
 * - Every message after the hello is sealed (seal.ts). The dialler proves the
 *   secret before it is shown a fact, and the acceptor before it is. This keeps
 *   strangers out; against someone who alters packets on the way only TLS helps.
 * - Each side compares the facts for itself and names the first that differs.
 * - Of two that disagree one is probably in the wrong: the one that no member
 *   has accepted yet, else the one that started later. So a hello says how
 *   long its sender has run and whether it is settled.
 *
 * Invariant: a handshake ends once, and says nothing afterwards.
 */
import { assert, unreachable } from "../base/assert.js";
import { MalformedBytes, NO_BYTES, Reader, Writer } from "../base/bytes.js";
import type { Random } from "../base/random.js";
import type { NodeId } from "../ports.js";
import {
  type Difference,
  type Facts,
  firstDifference,
  printable,
  type Refusal,
  readFacts,
  writeFacts,
} from "./facts.js";
import { type Role, type Sealed, sealMessage, unsealMessage } from "./seal.js";

const PROTOCOL = 5;
const INSTANCE_BYTES = 8;
const NONCE_BYTES = 16;
const SECURED = 1;
const SETTLED = 2;

const KIND = { hello: 1, proof: 2, facts: 3, welcome: 4, refused: 5 } as const;
type Awaited = "hello" | "proof" | "facts" | "welcome" | "nothing";

/** What a node brings to every handshake. */
export interface Party {
  readonly self: NodeId;
  /** Random bytes of this process: a restarted node has others. */
  readonly instance: Uint8Array;
  readonly facts: Facts;
  readonly secret: Uint8Array | undefined;
  /** How long this process has run. */
  ageMs(): number;
  /** True once any member accepted this node. */
  isSettled(): boolean;
  /** The acceptor's last word: why a peer that proved everything may still not come in. */
  admit(peer: NodeId, instance: Uint8Array): Difference | undefined;
}

export type HandshakeEnd =
  | { readonly kind: "accepted"; readonly peer: NodeId; readonly instance: Uint8Array }
  | RefusedEnd
  | { readonly kind: "broken"; readonly detail: string };

export interface RefusedEnd {
  readonly kind: "refused";
  readonly refusal: Refusal;
  /** The mistake is probably ours. */
  readonly bySenior: boolean;
}

/** Messages to send, in order, and how it ended if it did. */
export interface Step {
  readonly say: readonly Uint8Array[];
  readonly end: HandshakeEnd | undefined;
}

interface Hello {
  readonly protocol: number;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly instance: Uint8Array;
  readonly isSecured: boolean;
  readonly isSettled: boolean;
  readonly ageMs: number;
}

export function newInstance(random: Random): Uint8Array {
  return randomBytes(random, INSTANCE_BYTES);
}

export class Handshake {
  private readonly role: Role;
  private readonly nonce: Uint8Array;
  private readonly ageMs: number;
  private awaits: Awaited = "hello";
  private them: Hello | undefined;
  /** Both hellos as they were on the wire: what every seal is bound to. */
  private diallerHello = NO_BYTES;
  private acceptorHello = NO_BYTES;

  /** A dialler knows whom it dials; an acceptor passes undefined. */
  constructor(
    private readonly party: Party,
    private readonly dialled: NodeId | undefined,
    random: Random,
  ) {
    this.role = dialled === undefined ? "acceptor" : "dialler";
    this.nonce = randomBytes(random, NONCE_BYTES);
    this.ageMs = Math.floor(party.ageMs());
  }

  /** The dialler speaks first. */
  open(): readonly Uint8Array[] {
    if (this.dialled === undefined) return [];
    this.diallerHello = this.hello(this.dialled);
    return [this.diallerHello];
  }

  onMessage(message: Uint8Array): Step {
    assert(this.awaits !== "nothing", "a handshake that ended hears nothing");
    try {
      const kind = new Reader(message).u8();
      if (kind === KIND.refused) return this.onRefused(message);
      if (kind !== KIND[this.awaits]) return this.broken(`a message of kind ${kind} instead of ${this.awaits}`);
      switch (this.awaits) {
        case "hello":
          return this.onHello(message);
        case "proof":
          return this.onProof(message);
        case "facts":
          return this.onFacts(message);
        case "welcome":
          return this.onWelcome(message);
        default:
          return unreachable(this.awaits);
      }
    } catch (error) {
      if (error instanceof MalformedBytes) return this.broken(error.message);
      throw error;
    }
  }

  private onHello(message: Uint8Array): Step {
    const them = readHello(message);
    this.them = them;
    const answer: Uint8Array[] = [];
    if (this.role === "dialler") {
      this.acceptorHello = message;
    } else {
      this.diallerHello = message;
      this.acceptorHello = this.hello(them.from);
      answer.push(this.acceptorHello);
    }
    const difference = this.differenceWith(them);
    if (difference !== undefined) return this.refuse(difference, answer);
    if (this.role === "acceptor") return this.await("proof", answer);
    return this.await("facts", [this.seal(KIND.proof, NO_BYTES)]);
  }

  private differenceWith({ protocol, from, to, isSecured }: Hello): Difference | undefined {
    const { self, secret } = this.party;
    const expected = this.dialled ?? from;
    if (protocol !== PROTOCOL) return { field: "protocol", ours: String(PROTOCOL), theirs: String(protocol) };
    if (from !== expected) return { field: "node id", ours: expected, theirs: from };
    if (to !== self) return { field: "node id", ours: self, theirs: to };
    if (isSecured === (secret !== undefined)) return undefined;
    const [ours, theirs] = isSecured ? ["no secret", "a secret"] : ["a secret", "no secret"];
    return { field: "secret", ours, theirs };
  }

  private onProof(message: Uint8Array): Step {
    if (this.unseal(KIND.proof, message) === undefined) return this.refuseSecret();
    return this.await("facts", [this.seal(KIND.facts, writeFacts(this.party.facts))]);
  }

  private onFacts(message: Uint8Array): Step {
    const body = this.unseal(KIND.facts, message);
    if (body === undefined) return this.refuseSecret();
    const difference = firstDifference(this.party.facts, readFacts(body));
    if (difference !== undefined) return this.refuse(difference);
    if (this.role === "dialler") return this.await("welcome", [this.seal(KIND.facts, writeFacts(this.party.facts))]);
    const { from, instance } = this.other();
    const objection = this.party.admit(from, instance);
    if (objection !== undefined) return this.refuse(objection);
    return this.accept([this.seal(KIND.welcome, NO_BYTES)]);
  }

  private onWelcome(message: Uint8Array): Step {
    return this.unseal(KIND.welcome, message) === undefined ? this.refuseSecret() : this.accept([]);
  }

  /** The other refuses us: what is ours to it is theirs to us. */
  private onRefused(message: Uint8Array): Step {
    if (this.them === undefined) return this.broken("a refusal before a hello");
    const reader = new Reader(message);
    reader.u8();
    const difference = { field: reader.text(), theirs: reader.text(), ours: reader.text() };
    reader.end();
    return this.end([], this.refused(difference));
  }

  private refuse(difference: Difference, before: readonly Uint8Array[] = []): Step {
    const end = this.refused(difference);
    const { field, ours, theirs } = end.refusal;
    const message = new Writer().u8(KIND.refused).text(field).text(ours).text(theirs).finish();
    return this.end([...before, message], end);
  }

  private refuseSecret(): Step {
    return this.refuse({ field: "secret", ours: "a secret", theirs: "a different secret" });
  }

  private refused({ field, ours, theirs }: Difference): RefusedEnd {
    const { from, isSettled, ageMs } = this.other();
    const peer = printable(this.dialled ?? from);
    const refusal = { peer, field: printable(field), ours: printable(ours), theirs: printable(theirs) };
    return { kind: "refused", refusal, bySenior: isSettled || ageMs > this.ageMs };
  }

  private accept(say: readonly Uint8Array[]): Step {
    const { from, instance } = this.other();
    return this.end(say, { kind: "accepted", peer: from, instance });
  }

  private broken(detail: string): Step {
    return this.end([], { kind: "broken", detail });
  }

  private end(say: readonly Uint8Array[], end: HandshakeEnd): Step {
    this.awaits = "nothing";
    return { say, end };
  }

  private await(next: Awaited, say: readonly Uint8Array[]): Step {
    this.awaits = next;
    return { say, end: undefined };
  }

  private other(): Hello {
    assert(this.them !== undefined, "every step but the first follows a hello");
    return this.them;
  }

  private hello(to: NodeId): Uint8Array {
    const { self, instance, secret } = this.party;
    const flags = (secret === undefined ? 0 : SECURED) | (this.party.isSettled() ? SETTLED : 0);
    const writer = new Writer().u8(KIND.hello).u16(PROTOCOL).text(self).text(to);
    return writer.raw(instance).raw(this.nonce).u8(flags).u53(this.ageMs).finish();
  }

  private seal(kind: number, body: Uint8Array): Uint8Array {
    return sealMessage(this.party.secret, this.sealed(this.role, kind), body);
  }

  private unseal(kind: number, message: Uint8Array): Uint8Array | undefined {
    const sender = this.role === "dialler" ? "acceptor" : "dialler";
    return unsealMessage(this.party.secret, this.sealed(sender, kind), message);
  }

  private sealed(sender: Role, kind: number): Sealed {
    return { diallerHello: this.diallerHello, acceptorHello: this.acceptorHello, sender, kind };
  }
}

function readHello(message: Uint8Array): Hello {
  const reader = new Reader(message);
  reader.u8();
  const protocol = reader.u16();
  const from = reader.text();
  const to = reader.text();
  const instance = reader.raw(INSTANCE_BYTES);
  reader.raw(NONCE_BYTES);
  const flags = reader.u8();
  const ageMs = reader.u53();
  if (protocol === PROTOCOL) reader.end();
  return {
    protocol,
    from,
    to,
    instance,
    isSecured: (flags & SECURED) !== 0,
    isSettled: (flags & SETTLED) !== 0,
    ageMs,
  };
}

function randomBytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.u32() >>> 24);
}
