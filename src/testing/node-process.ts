/**
 * The process of one node of a test cluster: the node as in production, behind
 * a transport whose faults are commanded over IPC. It ends when the process
 * that started it does.
 */
import { get } from "node:http";
import { openLog } from "../real/log.js";
import { type RunningNode, startNode } from "../start-node.js";
import { FaultTransport } from "./fault-transport.js";
import type { NodeMessage, Numbered, StartMessage, View } from "./node-messages.js";

function tell(message: NodeMessage): void {
  // Nobody is left to tell when the channel has just closed; "disconnect" then ends this process.
  process.send?.(message, undefined, undefined, () => {});
}

function begin({ config, id, dataDir, faults }: StartMessage): void {
  const log = openLog(id, "line");
  let transport: FaultTransport | undefined;
  const options = { config, id, dataDir, newCluster: false, log };
  startNode(
    {
      ...options,
      wrapTransport: (inner, clock, random) => {
        transport = new FaultTransport(inner, clock, random, config.limits.peerQueueBytesMax);
        transport.faults = faults;
        return transport;
      },
    },
    (outcome) => {
      if (!outcome.ok) return tell({ kind: "failed", message: outcome.message });
      const { running } = outcome;
      running.onFatal((message) => {
        log.warn(`stops at once: ${message}`);
        process.exit(1);
      });
      process.on("message", (command) => obey(command as Numbered, running, transport as FaultTransport));
      tell({ kind: "ready" });
    },
  );
}

function obey(command: Numbered, running: RunningNode, transport: FaultTransport): void {
  const { kind, number } = command;
  if (kind === "fault") {
    transport.faults = command.faults;
    tell({ kind: "done", number });
  } else if (kind === "look") {
    look(running.httpUrl, (views) => tell({ kind: "done", number, views }));
  } else {
    running.stop(() => process.exit(0));
  }
}

/** Asks this node's own edge, as any client may. No answer is an empty view. */
function look(httpUrl: string, onViews: (views: readonly View[]) => void): void {
  const asked = get(`${httpUrl}/v1/cluster`, (response) => {
    let text = "";
    response.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    response.on("close", () => onViews(response.statusCode === 200 && response.complete ? JSON.parse(text).nodes : []));
  });
  asked.on("error", () => onViews([]));
}

process.once("disconnect", () => process.exit(0));
// Ctrl-C reaches the whole process group; the test decides when its nodes end.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
if (process.connected) process.once("message", (message) => begin(message as StartMessage));
else process.exit(0);
