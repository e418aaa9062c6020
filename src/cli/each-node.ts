/**
 * A question that every node answers for itself. Who does not answer is named; where nobody does, the command fails.
 */
import {
  askJson,
  Cluster,
  type ClusterOptions,
  PATIENCE_MS,
  type Question,
  type Target,
  targetsOf,
  Unanswered,
} from "./cluster.js";
import { CommandFailure } from "./exit.js";
import { say } from "./terminal.js";

/** What one node said for itself, or why it did not. */
export interface Said<Status> {
  readonly target: Target;
  readonly status?: Status;
  readonly failure?: CommandFailure;
}

/** The same question to every node, at once. A failure only when none answers. */
export function askEach<Status>(
  options: ClusterOptions,
  question: string | Question,
): Promise<readonly Said<Status>[]> {
  return eachNode(options, 0, (node) => askJson<Status>(node, question));
}

/** What every node says to `ask`, at once. A failure only when none answers. `waitMs`: how long a node may take for an answer. */
export async function eachNode<Status>(
  options: ClusterOptions,
  waitMs: number,
  ask: (node: Cluster) => Promise<Status>,
): Promise<readonly Said<Status>[]> {
  const patienceMs = waitMs + PATIENCE_MS;
  const asked = (await targetsOf(options)).map(async (target): Promise<Said<Status>> => {
    try {
      return { target, status: await ask(new Cluster([target.url], patienceMs)) };
    } catch (error) {
      if (!(error instanceof CommandFailure)) throw error;
      return { target, failure: error };
    }
  });
  const said = await Promise.all(asked);
  const failures = said.flatMap(({ failure }) => failure ?? []);
  const [first] = failures;
  if (first === undefined || failures.length < said.length) return said.map(shortened);
  const silent = failures.flatMap((failure) => (failure instanceof Unanswered ? failure : []));
  if (silent.length === failures.length) throw new Unanswered(silent.flatMap(({ tried }) => tried));
  throw new CommandFailure(first.exitCode, failures.map(({ message }) => message).join("\n"), first.data);
}

/** Where others answered, the cluster is up, and this one is not. */
function shortened<Status>(said: Said<Status>): Said<Status> {
  const { target, failure } = said;
  if (!(failure instanceof Unanswered)) return said;
  const sentence = `does not answer: ${failure.tried.join(", ")}`;
  return { target, failure: new CommandFailure(failure.exitCode, sentence, failure.data) };
}

/** What `--json` prints of a node. */
export function reportOf<Status>({ target, status, failure }: Said<Status>): unknown {
  return status ?? { node: target.node, failure: failure?.message };
}

/** Who did not say anything. */
export function silentOf(said: readonly Said<unknown>[]): readonly string[] {
  return said.flatMap(({ target, failure }) => (failure === undefined ? [] : target.node));
}

export function sayFailures(said: readonly Said<unknown>[]): void {
  for (const { target, failure } of said) if (failure !== undefined) say(`${target.node}: ${failure.message}`);
}
