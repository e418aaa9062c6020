/**
 * The seal at the end of a handshake message: proof that its sender knows the
 * cluster's secret, without showing it.
 *
 * HMAC-SHA256 over both hellos (with both ids and both nonces), the sender's
 * role, the kind of the message and its body. The nonces make every seal fresh;
 * the role keeps one side's seal from being played back to it as the other's.
 * Without a secret a seal is empty, and so is the proof.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { NO_BYTES, Writer } from "../base/bytes.js";

const SEAL_BYTES = 32;
const LABEL = "murmur handshake";

export type Role = "dialler" | "acceptor";

/** What a seal speaks for. */
export interface Sealed {
  readonly diallerHello: Uint8Array;
  readonly acceptorHello: Uint8Array;
  readonly sender: Role;
  readonly kind: number;
}

/** The message: kind, body, seal. */
export function sealMessage(secret: Uint8Array | undefined, sealed: Sealed, body: Uint8Array): Uint8Array {
  return new Writer()
    .u8(sealed.kind)
    .raw(body)
    .raw(sealOf(secret, sealed, body))
    .finish();
}

/** The body of a sealed message; undefined when its sender does not know the secret. */
export function unsealMessage(
  secret: Uint8Array | undefined,
  sealed: Sealed,
  message: Uint8Array,
): Uint8Array | undefined {
  const bodyEnd = message.length - (secret === undefined ? 0 : SEAL_BYTES);
  if (bodyEnd < 1) return undefined;
  const body = message.subarray(1, bodyEnd);
  return timingSafeEqual(message.subarray(bodyEnd), sealOf(secret, sealed, body)) ? body : undefined;
}

function sealOf(secret: Uint8Array | undefined, sealed: Sealed, body: Uint8Array): Uint8Array {
  if (secret === undefined) return NO_BYTES;
  const { diallerHello, acceptorHello, sender, kind } = sealed;
  const input = new Writer().text(LABEL).text(sender).u8(kind).long(diallerHello).long(acceptorHello).long(body);
  return createHmac("sha256", secret).update(input.finish()).digest();
}
