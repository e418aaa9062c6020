/**
 * What coordinators remember for owners that are silent when the client has its
 * answer: states that become hints if those stay silent to the end. Bounded in
 * bytes; what has no room is left to sync.
 */
import type { Limits } from "../config.js";
import type { Meter } from "../ports.js";

export class OwedBytes {
  private bytes = 0;

  constructor(
    private readonly meter: Meter,
    private readonly limits: Pick<Limits, "hintsOwedBytesMax">,
  ) {}

  /** Whether there is room; if so, `leave` gives it back. */
  enter(bytes: number): boolean {
    if (this.bytes + bytes > this.limits.hintsOwedBytesMax) {
      this.meter.count("murmur_hints_refused_total", { reason: "owed" });
      return false;
    }
    this.bytes += bytes;
    return true;
  }

  leave(bytes: number): void {
    this.bytes -= bytes;
  }
}
