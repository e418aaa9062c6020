/**
 * A breaker for each peer (Nygard, Release It!, 2007): whoever fails one question after the
 * other is asked no more for a while, and counts as down meanwhile.
 *
 * What it adds to what there is. Membership asks whether a process lives and
 * the path to it works: a peer whose disk hangs, or that refuses for too
 * much work, answers every ping. The ranking by latency (latency.ts) asks others
 * first, but a write goes to all owners, and a level that needs the slow one waits for it.
 * Whoever rests is not asked at all: stand-ins take hints, and a level that
 * cannot be met fails at once and not at its deadline.
 *
 * After its time it is half open: it counts as up again, and the next failure opens
 * it for twice as long, up to a bound; the first answer closes it. The times
 * are spread, or all coordinators would come back in one moment. Reads and writes are judged apart: a peer whose disk hangs
 * may answer every read. Pure: time comes as an argument.
 */
import { jitter, type Random } from "../base/random.js";
import type { Limits } from "../config.js";
import type { NodeId } from "../ports.js";

/** What a peer is asked to do. */
const WORKS = ["read", "write"] as const;
export type Work = (typeof WORKS)[number];

interface Circuit {
  failures: number;
  /** How often in a row it was opened. */
  openings: number;
  openUntilMs: number;
  /** When it last did what it was asked, or was last given a rest: what was asked before tells nothing of it since. */
  judgedMs: number;
}

/** Failed so often in a row, a peer is given a rest. */
const FAILURES_MAX = 10;
const JITTER = 0.3;

export class Breaker {
  private readonly circuits: Readonly<Record<Work, Map<NodeId, Circuit>>> = { read: new Map(), write: new Map() };

  constructor(
    private readonly limits: Pick<Limits, "breakerOpenMs" | "breakerOpenMsMax">,
    private readonly random: Random,
  ) {}

  /** For either of the two: a rest is a rest. */
  isOpen(node: NodeId, nowMs: number): boolean {
    return WORKS.some((work) => nowMs < (this.circuits[work].get(node)?.openUntilMs ?? 0));
  }

  /** It did what it was asked. Returns whether that closed its breaker. */
  onAnswered(node: NodeId, work: Work, nowMs: number): boolean {
    const circuit = this.circuitOf(node, work);
    const wasOpened = circuit.openings > 0;
    Object.assign(circuit, { failures: 0, openings: 0, openUntilMs: 0, judgedMs: nowMs });
    return wasOpened;
  }

  /**
   * It refused just now for too much work, or was silent about what it was asked at `askedMs`, to a deadline worth
   * the name. Returns whether that opened its breaker. A deadline may pass long after its peer died, came
   * back and answered others: then it is no failure of this peer's.
   */
  onFailed(node: NodeId, work: Work, askedMs: number, nowMs: number): boolean {
    const circuit = this.circuitOf(node, work);
    if (askedMs < circuit.judgedMs) return false;
    circuit.failures++;
    const isHalfOpen = circuit.openings > 0 && nowMs >= circuit.openUntilMs;
    if (circuit.openings === 0 ? circuit.failures < FAILURES_MAX : !isHalfOpen) return false;
    const { breakerOpenMs, breakerOpenMsMax } = this.limits;
    const openMs = Math.min(breakerOpenMsMax, breakerOpenMs * 2 ** circuit.openings);
    circuit.openings++;
    circuit.openUntilMs = nowMs + jitter(this.random, openMs, JITTER);
    circuit.judgedMs = nowMs;
    return true;
  }

  private circuitOf(node: NodeId, work: Work): Circuit {
    const known = this.circuits[work].get(node);
    if (known !== undefined) return known;
    const circuit = { failures: 0, openings: 0, openUntilMs: 0, judgedMs: Number.NEGATIVE_INFINITY };
    this.circuits[work].set(node, circuit);
    return circuit;
  }
}
