/**
 * The events of `/v1/events` as JSON schemas, for the description of the API.
 * Their names and fields are those of events.ts and stats.ts; a test holds a
 * real stream against them.
 */
type Json = Readonly<Record<string, unknown>>;

const text = (description: string): Json => ({ type: "string", description });
const number = (description: string): Json => ({ type: "number", minimum: 0, description });
const count = (description: string): Json => ({ type: "integer", minimum: 0, description });

/** All named fields are there, but for the optional ones, and no others are. */
function object(fields: Json, optional: readonly string[] = []): Json {
  const required = Object.keys(fields).filter((name) => !optional.includes(name));
  return { type: "object", required, properties: fields, additionalProperties: false };
}

const AT = count("Milliseconds since 1970, by the clock of the node.");
const rates = (description: string): Json => ({
  type: "object",
  additionalProperties: { type: "number" },
  description,
});

const MEMBER = object(
  {
    node: text("Its id."),
    state: { enum: ["up", "down"] },
    rebuilding: count("Owned partitions in which it does not vote yet; left out while not known here."),
  },
  ["rebuilding"],
);

const REQUESTS = object(
  {
    pending: count("Under way now."),
    answered: count("Answered in the interval."),
    p50Ms: number("From a request having arrived in full to its answer."),
    p99Ms: number("The same."),
    maxMs: number("The same."),
  },
  ["p50Ms", "p99Ms", "maxMs"],
);

export const EVENT_SCHEMAS: Json = {
  HelloEvent: object({
    at: AT,
    node: text("Whose stream this is."),
    cluster: text("The cluster's name."),
    version: text("Of the node."),
    layout: object({ version: count("Counted up with each change."), digest: text("Equal where layouts are.") }),
    members: { type: "array", items: MEMBER },
  }),
  MemberEvent: object({
    at: AT,
    by: text("Who says so: the node whose stream this is."),
    node: text("Of whom."),
    change: {
      enum: ["up", "down", "rebuilding", "rebuilt"],
      description: "rebuilding: it does not vote in all that it owns; rebuilt: it does again.",
    },
  }),
  StatsEvent: object(
    {
      at: AT,
      intervalMs: count("What the event sums up."),
      node: text("Whose stream this is."),
      perSecond: object({
        reads: rates("Coordinated here, by result; what did not happen is left out."),
        writes: rates("The same."),
        hedges: rates("By outcome: sent, won, wasted, refused."),
        mends: number("Replicas found behind and sent the merged state."),
      }),
      requests: REQUESTS,
      rows: count("Of its own replica."),
      hintsPending: count("Writes kept for owners that are down."),
      rebuilding: count("Owned partitions in which it does not vote yet."),
      refusing: text("Why it does not coordinate; left out when it does."),
      loopLagMs: number("The longest that a timer had to wait for its turn."),
      rssBytes: count("Memory of the process."),
      heapBytes: count("Of which JavaScript's heap in use."),
    },
    ["refusing"],
  ),
  ByeEvent: object({ at: AT, node: text("Whose stream this is."), reason: { const: "stopping" } }),
};
