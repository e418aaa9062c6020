/**
 * How a command ends: the exit codes, which scripts rely on, and the failure
 * that carries one of them up to main.ts.
 */

export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  levelNotMet: 4,
  unreachable: 5,
  siblings: 6,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends a command with one sentence for people and one code for scripts. Not a mistake of ours: no stack is shown. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";

  constructor(
    readonly exitCode: ExitCode,
    sentence: string,
    /** What `--json` prints about it. */
    readonly data?: unknown,
  ) {
    super(sentence);
  }
}

export function usage(sentence: string): CommandFailure {
  return new CommandFailure(EXIT.usage, sentence);
}
