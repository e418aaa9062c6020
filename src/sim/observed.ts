/**
 * What was brought to a key and what was taken away, where a removal takes what was seen: the slow half of all models
 * in which add wins (observed-remove: Shapiro and others 2011).
 *
 * What a context covers cannot be read from it. So a context bounds what a removal
 * may have seen by when its client was answered, and what it must have seen by what
 * that answer had to meet. A removal without one is preceded by a read.
 */
import { type Context, EMPTY_CONTEXT, isEmptyContext } from "../lattice/context.js";
import type { Asked, Fact, Known } from "./model.js";
import { mustSee, Turns } from "./model.js";
import { heldByMore, ONE_OWNER, type Owners, type Part } from "./owners.js";
import type { Change } from "./script.js";

/** Something brought: an element of a set, a value of a field. */
export interface Adding {
  /** Where it was brought to. */
  readonly place: string;
  readonly value: string;
  /** It has an id. */
  readonly isNamed: boolean;
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

/** What had to be met, and of whom. */
export type Met = ReadonlyMap<Adding, Known>;

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
  readonly met: Met;
}

/** What a change of one key brings and takes, as it is on its way. */
export interface Sending {
  /** What the client sends along. */
  readonly context: Context;
  readonly addings: readonly Adding[];
  /** What that must cover. */
  readonly seen: Met;
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
    const met = session?.met ?? this.metFirst(asked);
    const isFirst = !isNamed || !this.named.has(asked.wish);
    const addings = this.bring(asked, brought, isNamed);
    const removing = { takes: takes ?? (() => false), seenTurn: session?.turn ?? Number.POSITIVE_INFINITY, endTurn: 0 };
    if (takes !== undefined) this.removings.add(removing);
    return {
      ...{ context: session?.context ?? EMPTY_CONTEXT, addings, seen: session?.met ?? new Map(), isFirst },
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
          for (const [adding, known] of met)
            if (removing.takes(adding)) adding.taken.push({ turn, parts: asked.parts, known });
        return turn;
      },
      onRefused: () => {
        this.removings.delete(removing);
        for (const adding of addings) if (--adding.tries === 0) this.addings.delete(adding);
      },
    };
  }

  /** A client was answered. `isHeld`: as many as it asked hold that now. */
  onSeen(
    { client, parts }: Asked,
    context: Context,
    { met = new Map(), shown, isHeld }: { met?: Met; shown: readonly Adding[]; isHeld: boolean },
  ): void {
    const knowers = isHeld ? parts : ONE_OWNER;
    const seen = [...met.keys(), ...shown].map((adding): [Adding, Known] => {
      return [adding, adding.isNamed ? heldByMore(met.get(adding) ?? [], knowers) : undefined];
    });
    this.sessions.set(client, { context, turn: this.turns.next(), met: new Map(seen) });
  }

  /** What was acknowledged by so many that whoever asks these must meet it. */
  metBy(key: number, parts: readonly Part[]): Met {
    const met = new Map<Adding, Known>();
    for (const adding of this.addings) {
      const { isNamed, held } = adding;
      if (held === undefined || !this.owners.mustMeet(key, held, parts)) continue;
      met.set(adding, isNamed ? this.owners.metOf(key, held, parts) : undefined);
    }
    return met;
  }

  /** By a change that reads first: it takes the ids of what it meets along. */
  private metFirst({ key, firstParts }: Asked): Met {
    return new Map([...this.metBy(key, firstParts).keys()].map((adding) => [adding, undefined]));
  }

  /** Those that a read which began at `turn` may be shown there. */
  shownBy(asked: Asked, { place, value }: Pick<Adding, "place" | "value">, turn: number): Adding[] {
    return [...this.addings].filter(
      (adding) => adding.place === place && adding.value === value && !mustSee(this.owners, adding.taken, asked, turn),
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

  private bring(
    { wish }: Asked,
    brought: readonly Pick<Adding, "place" | "value">[],
    isNamed: boolean,
  ): readonly Adding[] {
    const former = isNamed ? this.named.get(wish) : undefined;
    const turn = this.turns.next();
    const endTurn = Number.POSITIVE_INFINITY;
    const addings =
      former ?? brought.map((each) => ({ ...each, isNamed, turn, tries: 0, endTurn, held: undefined, taken: [] }));
    for (const adding of addings) {
      adding.tries++;
      this.addings.add(adding);
    }
    if (isNamed) this.named.set(wish, addings);
    return addings;
  }
}
