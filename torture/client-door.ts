/** The client that is shipped as a way in: it chooses its nodes, and tries again by itself where that is safe. */
import { utf8 } from "../src/base/bytes.js";
import { MurmurClient, MurmurError } from "../src/client/client.js";
import { isEmptyContext } from "../src/lattice/context.js";
import { type Answer, contextText, type Door, REFUSALS, refusalOf, viewOf, type Wish } from "./doors.js";

export function clientDoor(urls: readonly string[]): Door {
  const client = new MurmurClient({ nodes: urls });
  return {
    node: undefined,
    name: "client",
    ask: async (wish) => {
      try {
        return await throughClient(client, wish);
      } catch (error) {
        if (!(error instanceof MurmurError)) throw error;
        const { code, message, status = 0, mayHaveApplied } = error;
        const refusal = refusalOf(status, `${code} ${message}`);
        if (refusal !== undefined) return { kind: "refused", code: refusal };
        if (status >= 400 && !REFUSALS.has(status)) return { kind: "wrong", code: `${status} ${message}` };
        return { kind: mayHaveApplied ? "unknown" : "refused", code };
      }
    },
    close: () => client.close(),
  };
}

async function throughClient(client: MurmurClient, wish: Wish): Promise<Answer> {
  const { kind, key, value, edit, level, timeoutMs } = wish;
  const bucket = client.bucket(wish.bucket);
  if (kind === "read") {
    const found = await bucket.get(key, { consistency: level, timeoutMs });
    const one = found.value === undefined ? [] : [found.value];
    const values = found.siblings.length > 0 ? found.siblings.map((sibling) => sibling.value) : one;
    return viewOf(found.context, values.map(bytesOf));
  }
  const options = optionsOf(wish);
  if (edit !== undefined) {
    const changed =
      typeof edit.add === "number"
        ? await bucket.add(key, edit.add, options)
        : await bucket.editSet(key, edit as Exclude<typeof edit, { add: number }>, options);
    return viewOf(changed.context, [bytesOf({ value: changed.value })]);
  }
  const ttl = wish.ttlMs === undefined ? {} : { ttl: wish.ttlMs };
  const written =
    kind === "delete" ? await bucket.delete(key, options) : await bucket.put(key, value, { ...options, ...ttl });
  return viewOf(written.context, []);
}

function optionsOf(wish: Wish) {
  const { level, timeoutMs, context, idKey } = wish;
  return {
    ...{ consistency: level, timeoutMs },
    ...(isEmptyContext(context) ? {} : { context: contextText(wish) }),
    ...(idKey === undefined ? {} : { idempotencyKey: idKey }),
  };
}

/** Texts as they are; what the client made of JSON, as JSON. */
function bytesOf(value: unknown): Uint8Array {
  return utf8(typeof value === "string" ? value : JSON.stringify(value));
}
