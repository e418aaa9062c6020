/**
 * `murmur latency`: how long each node waits for each other one, as a matrix,
 * and when it would ask a spare. A slow replica is a column that stands out; a
 * slow coordinator, or a bad line, a row.
 */
import type { LatencyReport } from "../http/store.js";
import type { ClusterOptions } from "./cluster.js";
import { askEach, reportOf, type Said, sayFailures } from "./each-node.js";
import { EXIT, type ExitCode } from "./exit.js";
import { figure, grouped, paint, print, printJson, say, table } from "./terminal.js";

type Peer = LatencyReport["peers"][number];

export async function latency(options: ClusterOptions): Promise<ExitCode> {
  const said = await askEach<LatencyReport>(options, "/v1/latency");
  if (options.json) {
    printJson(said.map(reportOf));
    return EXIT.ok;
  }
  const nodes = columnsOf(said);
  print(paint("bold", "p50 / p99 in ms of the answers to reads: who asks down, who answers across"));
  print(matrix(said, nodes, answerTime));
  print(`\n${paint("bold", `ms until a spare is asked${policyOf(said)}`)}`);
  print(matrix(said, nodes, ({ hedgeAfterMs }) => (hedgeAfterMs === undefined ? "never" : figure(hedgeAfterMs)), bank));
  say(
    paint(
      "dim",
      "- too few answers yet, ! late at present: others are asked first, (2) answers awaited",
      process.stderr,
    ),
  );
  sayFailures(said);
  return EXIT.ok;
}

/** All nodes that ask or are asked, those of the file first. */
function columnsOf(said: readonly Said<LatencyReport>[]): string[] {
  const asking = said.map(({ target, status }) => status?.node ?? target.node);
  const asked = said.flatMap(({ status }) => status?.peers.map(({ node }) => node) ?? []);
  return [...new Set([...asking, ...asked])];
}

function matrix(
  said: readonly Said<LatencyReport>[],
  nodes: readonly string[],
  cell: (peer: Peer) => string,
  end: (report: LatencyReport) => string = () => "",
): string {
  const rows = said.map(({ target, status }) => {
    if (status === undefined) return [target.node, paint("red", "no answer")];
    const cells = nodes.map((node) => {
      const peer = status.peers.find((each) => each.node === node);
      return peer === undefined ? paint("dim", "·") : cell(peer);
    });
    return [status.node, ...cells, end(status)];
  });
  return table([["", ...nodes], ...rows]);
}

function answerTime({ p50Ms, p99Ms, overdue, unanswered }: Peer): string {
  const times = [p50Ms, p99Ms].map(figure).join(" / ");
  const awaited = unanswered === 0 ? "" : ` (${unanswered})`;
  return overdue ? `${paint("red", `${times} !`)}${awaited}` : `${times}${awaited}`;
}

/** What the nodes of one file agree on. */
function policyOf(said: readonly Said<LatencyReport>[]): string {
  const policies = said.flatMap(({ status }) =>
    status === undefined ? [] : `${status.hedge.after}, at most ${status.hedge.budgetPercent} % of the reads`,
  );
  return `: ${[...new Set(policies)].join("; ")}`;
}

function bank({ hedge }: LatencyReport): string {
  return paint("dim", `${grouped(Math.floor(hedge.tokens))} banked`);
}
