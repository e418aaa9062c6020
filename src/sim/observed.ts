/**
 * What was brought to a key and what was taken away, where a removal takes what was seen: the slow half of all models
 * in which add wins (observed-remove: Shapiro and others 2011).
 *
 * What a context covers cannot be read from it. So a context bounds what a removal
 * may have seen by when its client was answered, and what it must have seen by what
 * that answer had to meet. A removal without one is preceded by a read.
 */
import { type Context, EMPTY_CONTEXT, isEmptyContext } from "../lattice/context.js";
import type { Asked, Fact } from "./model.js";
import { Turns } from "./model.js";
import { heldByMore, type Owners, type Part } from "./owners.js";
import type { Change } from "./script.js";

/** Something brought: an element of a set, a value of a field. */
export interface Adding {
  /** Where it was brought to. */
  readonly place: string;
  readonly value: string;
  /** When it was first tried. */
  readonly turn: number;
  /** How often it was tried without being refused: with an id all of these are one. */
  tries: number;
  /** From then on it cannot happen any more. */
  endTurn: number;
  /** Who acknowledged it. */
  held: readonly Part[] | undefined;
  /** Removals that had to see it. */
  readonly taken: Fact[];
}

export interface Removing {
  takes(adding: Adding): boolean;
  /** It cannot have seen what began later. */
  seenTurn: number;
  /** When it was acknowledged; 0 before. */
  endTurn: number;
}

/** What a client was answered last. */
export interface Session {
  readonly context: Context;
  readonly turn: number;
  /** What its answer had to meet. */
  readonly met: ReadonlySet<Adding>;
}

/** What a change of one key brings and takes, as it is on its way. */
export interface Sending {
  /** What the client sends along. */
  readonly context: Context;
  readonly addings: readonly Adding[];
  /** It has not been tried before, so what happens of it happens now. */
  readonly isFirst: boolean;
  onAcknowledged(): number;
  onRefused(): void;
}

export class Observed {
  readonly addings = new Set<Adding>();
  readonly turns = new Turns();
  private readonly removings = new Set<Removing>();
  private readonly sessions = new Map<number, Session>();
  /** What was brought under an id, perhaps nothing. */
  private readonly named = new Map<string, readonly Adding[]>();

  constructor(private readonly owners: Owners) {}

  /** A change begins. `takes`: what of all that it may see it takes away. */
  send(
    asked: Asked,
    { isAware, isNamed = false }: Change,
    brought: readonly Pick<Adding, "place" | "value">[],
    takes: Removing["takes"] | undefined,
  ): Sending {
    const known = isAware ? this.sessions.get(asked.client) : undefined;
    // Who has seen nothing sends nothing.
    const session = known === undefined || isEmptyContext(known.context) ? undefined : known;
    const met = session?.met ?? this.metBy(asked.key, asked.firstParts);
    const isFirst = !isNamed || !this.named.has(asked.wish);
    const addings = this.bring(asked, brought, isNamed);
    const removing = { takes: takes ?? (() => false), seenTurn: session?.turn ?? Number.POSITIVE_INFINITY, endTurn: 0 };
    if (takes !== undefined) this.removings.add(removing);
    return {
      ...{ context: session?.context ?? EMPTY_CONTEXT, addings, isFirst },
      onAcknowledged: () => {
        const turn = this.turns.next();
        removing.endTurn = turn;
        removing.seenTurn = Math.min(removing.seenTurn, turn);
        for (const adding of addings) {
          adding.held = heldByMore(adding.held ?? [], asked.parts);
          adding.endTurn = turn;
        }
        // A former time of the same change may be the one that happened.
        if (isFirst)
          for (const adding of met) if (removing.takes(adding)) adding.taken.push({ turn, parts: asked.parts });
        return turn;
      },
      onRefused: () => {
        this.removings.delete(removing);
        for (const adding of addings) if (--adding.tries === 0) this.addings.delete(adding);
      },
    };
  }

  /** A client was answered. */
  onSeen({ client }: Asked, context: Context, met: ReadonlySet<Adding>): void {
    this.sessions.set(client, { context, turn: this.turns.next(), met });
  }

  /** What was acknowledged by so many that whoever asks these must meet it. */
  metBy(key: number, parts: readonly Part[]): Set<Adding> {
    const met = ({ held }: Adding) => held !== undefined && this.owners.mustMeet(key, held, parts);
    return new Set([...this.addings].filter(met));
  }

  /** Those that a read which began at `turn` may be shown there. */
  shownBy(asked: Asked, { place, value }: Pick<Adding, "place" | "value">, turn: number): Adding[] {
    return [...this.addings].filter(
      (adding) => adding.place === place && adding.value === value && !this.isTaken(adding, asked, turn),
    );
  }

  wasBrought({ place, value }: Pick<Adding, "place" | "value">): boolean {
    for (const adding of this.addings) if (adding.place === place && adding.value === value) return true;
    return false;
  }

  mayBeRemoved(adding: Adding): boolean {
    for (const removing of this.removings) if (removing.takes(adding) && adding.turn < removing.seenTurn) return true;
    return false;
  }

  /** Whether a removal that ended, and that cannot have seen it, would have taken it. */
  hasOutlived(adding: Adding): boolean {
    for (const removing of this.removings)
      if (removing.takes(adding) && removing.endTurn > adding.turn && adding.turn >= removing.seenTurn) return true;
    return false;
  }

  /** Whether a read that began at `turn` had to meet a removal that had to see it. */
  private isTaken({ taken }: Adding, { key, parts }: Asked, turn: number): boolean {
    return taken.some((fact) => fact.turn < turn && this.owners.mustMeet(key, fact.parts, parts));
  }

  private bring(
    { wish }: Asked,
    brought: readonly Pick<Adding, "place" | "value">[],
    isNamed: boolean,
  ): readonly Adding[] {
    const former = isNamed ? this.named.get(wish) : undefined;
    const turn = this.turns.next();
    const endTurn = Number.POSITIVE_INFINITY;
    const addings = former ?? brought.map((each) => ({ ...each, turn, tries: 0, endTurn, held: undefined, taken: [] }));
    for (const adding of addings) {
      adding.tries++;
      this.addings.add(adding);
    }
    if (isNamed) this.named.set(wish, addings);
    return addings;
  }
}
