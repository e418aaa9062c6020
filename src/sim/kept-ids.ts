/**
 * For how long a client may ask again under an id: one is not kept for ever, and who asks later than that is counted again.
 */
import type { Limits } from "../config.js";
import type { Change } from "./script.js";

export class KeptIds {
  /** When changes with an id were first asked for, by their wish. */
  private readonly firstMs = new Map<string, number>();

  constructor(private readonly limits: Limits) {}

  onAsked(wish: string, nowMs: number): void {
    if (!this.firstMs.has(wish)) this.firstMs.set(wish, nowMs);
  }

  /** Whether what begins then has an end before the id may be forgotten. */
  mayAsk({ deadlineMs }: Change, wish: string, atMs: number): boolean {
    const { idKeptMs, clockSkewMsMax } = this.limits;
    return atMs - (this.firstMs.get(wish) ?? atMs) + deadlineMs + clockSkewMsMax < idKeptMs;
  }
}
