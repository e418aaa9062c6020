/**
 * A get's result out of a node's answer: a value, several, or none. Pure.
 */
import { decodeValue } from "../base/decoded-value.js";
import { MurmurError } from "./errors.js";
import type { GetResult, Sibling } from "./options.js";
import type { HttpAnswer } from "./pool.js";
import { parseServerTiming } from "./server-timing.js";

export function resultOf<Value>({ status, headers, body }: HttpAnswer, node: string): GetResult<Value> {
  const context = headers["murmur-context"] as string;
  const replicas = parseServerTiming(headers["server-timing"] as string | undefined);
  if (status === 404) {
    return { found: false, value: undefined, siblings: [], contentType: undefined, context, replicas };
  }
  if (status === 300) {
    const siblings = siblingsOf(body, node);
    return { found: true, value: undefined, siblings, contentType: undefined, context, replicas };
  }
  const contentType = headers["content-type"] ?? "application/octet-stream";
  const value = decodeValue(body, contentType) as Value;
  return { found: true, value, siblings: [], contentType, context, replicas };
}

interface SiblingsBody {
  readonly siblings: readonly { readonly contentType: string; readonly value: string }[];
}

function siblingsOf(body: Uint8Array, node: string): Sibling[] {
  try {
    const { siblings } = JSON.parse(new TextDecoder().decode(body)) as SiblingsBody;
    return siblings.map(({ contentType, value }) => {
      return { value: decodeValue(Buffer.from(value, "base64"), contentType), contentType };
    });
  } catch (cause) {
    throw new MurmurError({ code: "bad-answer", detail: "siblings that cannot be read", status: 300, node, cause });
  }
}
