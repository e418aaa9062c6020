/**
 * The end of `murmur up`: from the first Ctrl-C until every node is gone. Asked
 * to drain first; ended by force at the second Ctrl-C, or when one is paused
 * or hangs and so cannot drain.
 */
import type { NodeProcess } from "./child.js";
import { EXIT, type ExitCode } from "./exit.js";
import { onStopSignals } from "./signals.js";
import { say } from "./terminal.js";

export class Stopping {
  isAsked = false;
  readonly asked: Promise<undefined>;
  private isForced = false;
  private onAsked: (nothing: undefined) => void = () => {};

  constructor(
    private readonly children: readonly NodeProcess[],
    private readonly patienceMs: number,
  ) {
    this.asked = new Promise((resolve) => {
      this.onAsked = resolve;
    });
    const onFirst = () => {
      say("\nstopping all nodes; Ctrl-C again stops them at once");
      this.begin();
    };
    onStopSignals(onFirst, () => this.force());
  }

  begin(): void {
    if (this.isAsked) return;
    this.isAsked = true;
    this.onAsked(undefined);
    for (const child of this.children) child.stop("SIGTERM");
    setTimeout(() => this.force(), this.patienceMs).unref();
  }

  async finished(): Promise<ExitCode> {
    await Promise.all(this.children.map(({ ended }) => ended));
    return this.isForced ? EXIT.failure : EXIT.ok;
  }

  private force(): void {
    this.isForced = true;
    for (const child of this.children) child.stop("SIGKILL");
  }
}
