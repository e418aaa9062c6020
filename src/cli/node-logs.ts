/**
 * The logs of all nodes in one terminal. While they start, everybody greets
 * everybody, which would push the welcome off the screen: those lines are held
 * back, and shown only if the start fails.
 */
import { say } from "./terminal.js";

const HELD_MAX = 1000;

export class NodeLogs {
  private held: string[] | undefined = [];

  take(line: string): void {
    if (this.held === undefined) say(line);
    else if (this.held.length < HELD_MAX) this.held.push(line);
  }

  /** The start succeeded: of what was held back only warnings matter. */
  showWarnings(): void {
    this.release((line) => line.includes(" warning: "));
  }

  /** The start failed: every line may say why. */
  showAll(): void {
    this.release(() => true);
  }

  private release(isShown: (line: string) => boolean): void {
    for (const line of this.held?.filter(isShown) ?? []) say(line);
    this.held = undefined;
  }
}
