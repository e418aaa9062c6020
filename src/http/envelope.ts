/**
 * The envelope: a read's answer with all that is known about how it came
 * about, for `Accept: application/vnd.murmur+json`.
 */
import { textOf } from "../base/bytes.js";
import type { Address } from "./address.js";
import { startMs, tookMs } from "./answer.js";
import type { Answered } from "./merging.js";
import type { KeyQuery } from "./query.js";
import { siblingOf } from "./siblings.js";

type Found = Extract<Answered, { ok: true }>;

/** The envelope's JSON. `value` and `contentType` are there only when there is exactly one value. */
export function envelope(address: Address, query: KeyQuery, outcome: Found, context: string): string {
  const { contents } = outcome.view;
  const [single] = contents.length === 1 ? contents : [];
  return JSON.stringify({
    bucket: address.bucket,
    key: textOf(address.key),
    found: contents.length > 0,
    ...(single === undefined ? {} : siblingOf(single)),
    siblings: contents.length > 1 ? contents.map(siblingOf) : [],
    ...(outcome.isMerged ? { merged: true } : {}),
    context,
    level: query.level,
    replicas: outcome.replicas.map((asked) => ({
      node: asked.node,
      ms: tookMs(asked) ?? null,
      askedMs: startMs(asked),
      role: asked.role,
      state: asked.state,
    })),
    mended: outcome.mended,
  });
}
