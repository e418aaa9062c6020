/**
 * The model of counters: each addition counts once if it was acknowledged, at most once if nobody knows, and not at
 * all if it was refused. What goes up and what goes down are counted apart: one must not make up for the other.
 *
 * A delete takes away what it saw: all that it had to meet when it began, and
 * perhaps whatever began before it ended. One of which nobody knows may still come. An addition with an id
 * is one, however often it was tried.
 */

import { EMPTY_CONTEXT } from "../lattice/context.js";
import type { View } from "../lattice/lattice.js";
import type { Asked, Attempt, Fact, Model, ModelWorld } from "./model.js";
import { jsonValueOf, mustSee, Turns } from "./model.js";
import { heldByMore, ONE_OWNER, type Part } from "./owners.js";
import type { Change } from "./script.js";

interface Addition {
  readonly by: number;
  readonly turn: number;
  /** How often it was tried without being refused: with an id all of these are one. */
  tries: number;
  /** Who acknowledged it. */
  held: readonly Part[] | undefined;
  /** Deletes that it was taken away by. */
  readonly taken: Fact[];
}

interface KeyModel {
  readonly additions: Set<Addition>;
  /** Those that have an id, by their wish. */
  readonly named: Map<string, Addition>;
  /** Deletes that may not have happened yet. */
  openDeletes: number;
  /** When the last of the others ended; 0 while there was none. */
  deletedTurn: number;
  /** Nothing went down so far, not even by a delete. */
  isRising: boolean;
  /** The highest value that so many held. */
  readonly highest: Map<readonly Part[], number>;
}

/** The meeting that a reset must come out of exactly. */
export const BESIDE_DELETE = "a counter was deleted beside an addition";

export class CounterModel implements Model {
  private readonly keys = new Map<number, KeyModel>();
  private readonly turns = new Turns();

  constructor(private readonly world: ModelWorld) {}

  read(asked: Asked, isMended: boolean): (view: View) => void {
    const model = this.modelOf(asked.key);
    const turn = this.turns.next();
    const musts = this.metBy(model, asked.key, asked.parts);
    const floor = this.floorOf(model, asked);
    return (view) => {
      const value = Number(jsonValueOf(view) ?? 0);
      const { least, most } = this.boundsOf(model, asked, musts, turn);
      if (value < least) this.violate(asked, `counts ${value}, less than was acknowledged: ${least}`);
      if (value > most) this.violate(asked, `counts ${value}, more than was added: ${most}`);
      if (model.isRising && value < floor) this.violate(asked, `went back to ${value} from ${floor}`);
      if (isMended) raise(model, asked, value);
    };
  }

  change(asked: Asked, change: Change): Attempt {
    return change.kind === "delete" ? this.delete(asked) : this.add(asked, change);
  }

  private add(asked: Asked, { by = 1, isNamed = false }: Change): Attempt {
    const model = this.modelOf(asked.key);
    const turn = this.turns.next();
    const former = isNamed ? model.named.get(asked.wish) : undefined;
    const addition: Addition = former ?? { by, turn, tries: 0, held: undefined, taken: [] };
    addition.tries++;
    model.additions.add(addition);
    if (isNamed) model.named.set(asked.wish, addition);
    if (by < 0) model.isRising = false;
    if (model.openDeletes > 0) this.world.noted.add(BESIDE_DELETE);
    return {
      op: { kind: "add", by },
      context: EMPTY_CONTEXT,
      onAcknowledged: (_context, view) => {
        addition.held = heldByMore(addition.held ?? [], asked.parts);
        if (view === undefined) return;
        const value = Number(jsonValueOf(view) ?? 0);
        // Its minter need not have heard of a delete that others acknowledged.
        const { least, most } = this.boundsOf(model, { key: asked.key, parts: ONE_OWNER }, new Set([addition]), turn);
        if (value < least || value > most) this.violate(asked, `answers ${value}, not from ${least} to ${most}`);
        raise(model, asked, value);
      },
      onRefused: () => {
        if (--addition.tries === 0) model.additions.delete(addition);
      },
    };
  }

  private delete(asked: Asked): Attempt {
    const model = this.modelOf(asked.key);
    const takes = this.metBy(model, asked.key, asked.firstParts);
    model.openDeletes++;
    model.isRising = false;
    return {
      op: { kind: "delete" },
      context: EMPTY_CONTEXT,
      onAcknowledged: () => {
        model.openDeletes--;
        model.deletedTurn = this.turns.next();
        for (const { taken } of takes) taken.push({ turn: model.deletedTurn, parts: asked.parts });
      },
      onRefused: () => model.openDeletes--,
    };
  }

  /** From what must be counted to what may be. */
  private boundsOf(
    model: KeyModel,
    { key, parts }: Pick<Asked, "key" | "parts">,
    musts: ReadonlySet<Addition>,
    turn: number,
  ): { readonly least: number; readonly most: number } {
    let [least, most] = [0, 0];
    for (const addition of model.additions) {
      const { by, taken } = addition;
      const mayBeTaken = model.openDeletes > 0 || addition.turn < model.deletedTurn;
      const mustCount = musts.has(addition) && !mayBeTaken;
      const mayCount = !mustSee(this.world.owners, taken, { key, parts }, turn);
      if (by > 0 ? mustCount : mayCount) least += by;
      if (by > 0 ? mayCount : mustCount) most += by;
    }
    return { least, most };
  }

  /** What was acknowledged by so many that whoever asks these must meet it. */
  private metBy({ additions }: KeyModel, key: number, parts: readonly Part[]): Set<Addition> {
    const { owners } = this.world;
    return new Set([...additions].filter(({ held }) => held !== undefined && owners.mustMeet(key, held, parts)));
  }

  private floorOf({ highest }: KeyModel, { key, parts }: Asked): number {
    let floor = Number.NEGATIVE_INFINITY;
    for (const [held, value] of highest)
      if (value > floor && this.world.owners.mustMeet(key, held, parts)) floor = value;
    return floor;
  }

  private violate({ name }: Asked, what: string): void {
    this.world.violations.push(`${name}: ${what}`);
  }

  private modelOf(key: number): KeyModel {
    let model = this.keys.get(key);
    if (model === undefined) {
      const none = { additions: new Set<Addition>(), named: new Map(), highest: new Map() };
      model = { ...none, openDeletes: 0, deletedTurn: 0, isRising: true };
      this.keys.set(key, model);
    }
    return model;
  }
}

/** So many hold a state that counts as much. */
function raise({ highest }: KeyModel, { parts }: Asked, value: number): void {
  highest.set(parts, Math.max(value, highest.get(parts) ?? value));
}
