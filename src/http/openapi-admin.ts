/**
 * The description of all paths that are not about keys: how the cluster is, and its upkeep.
 */
import { DURATION_SCHEMA, type Json, json, problems } from "./openapi-parts.js";
import { CONFLICTS_TAKE } from "./openapi-schemas.js";

function events(): Json {
  return {
    summary: "What happens at this node, as Server-Sent Events that go on until either side ends them.",
    description: "The data of each event is JSON: see the schemas HelloEvent, MemberEvent, StatsEvent and ByeEvent.",
    parameters: [{ name: "stats", in: "query", description: "never: no stats events.", schema: { const: "never" } }],
    responses: {
      200: {
        description: "The events hello (first, once), member, stats (each second), bye (last, when the node stops).",
        content: { "text/event-stream": { schema: { type: "string" } } },
      },
      ...problems("bad-request", "overloaded"),
    },
  };
}

export function adminPaths(): Json {
  const get = (summary: string, further: Json = {}) => ({
    get: { summary, responses: { 200: json("As asked."), ...further } },
  });
  return {
    "/": get("Where to go from here."),
    "/v1/cluster": get("All members as this node sees them."),
    "/v1/ring": get("The owners of every partition."),
    "/v1/latency": get("How long its peers take to answer this node's reads, and when those are hedged."),
    "/v1/top": get("The keys this node is asked for most, with their rates and how far those may be off."),
    "/v1/conflicts": {
      get: { ...get("The last register writes here that replaced what nobody had seen.").get, ...CONFLICTS_TAKE },
    },
    "/v1/hints": get("For whom this node keeps hints: how many, how large, how old, and what becomes of them."),
    "/v1/hints/flush": { post: flush() },
    "/v1/repair": { ...get("How far the last repair of this node is, and what it found."), post: repair() },
    "/v1/events": { get: events() },
    "/health/live": get("Whether the process lives."),
    "/health/ready": get("Whether this node serves requests, and whom it sees.", {
      503: json("Not yet, or no longer."),
    }),
    "/metrics": {
      get: {
        summary: "Metrics for Prometheus.",
        responses: { 200: { description: "Text format.", content: { "text/plain": {} } } },
      },
    },
    "/openapi.json": get("This description."),
  };
}

function flush(): Json {
  const timeout = { name: "timeout", in: "query", description: "How long to wait at most.", schema: DURATION_SCHEMA };
  return {
    summary: "Waits until all hints that this node keeps now are delivered, or given up.",
    parameters: [timeout],
    responses: {
      200: json("How many there were, how many are left, and whether that is complete."),
      ...problems("bad-request", "forbidden", "overloaded"),
    },
  };
}

function repair(): Json {
  const check = { description: "true: differences and damage are counted only.", schema: { type: "boolean" } };
  const bucket = { description: "Only the rows of this bucket.", schema: { type: "string" } };
  return {
    summary: "Reads all that this node stores against its checksums and compares it with every peer, now.",
    parameters: [
      { name: "check", in: "query", ...check },
      { name: "bucket", in: "query", ...bucket },
    ],
    responses: {
      200: json("Whether it has begun (begun) or another was under way, and its status as of GET."),
      ...problems("bad-request", "forbidden"),
    },
  };
}
