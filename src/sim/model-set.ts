/**
 * The model of sets: an element is there if an add of it was acknowledged that no remove may have seen, and is gone
 * once a remove had to see all adds of it. Between the two, add wins, and either may be true.
 *
 * What a context covers of an element cannot be read from it. So a context
 * bounds what a remove may have seen by when its client was answered, and what it must
 * have seen by what that answer had to meet. A remove without one is preceded by a read.
 */
import { type Context, EMPTY_CONTEXT, isEmptyContext } from "../lattice/context.js";
import type { View } from "../lattice/lattice.js";
import type { Op } from "../lattice/op.js";
import type { Asked, Attempt, Fact, Model, ModelWorld } from "./model.js";
import { jsonValueOf, Turns } from "./model.js";
import type { Part } from "./owners.js";
import type { Change } from "./script.js";

interface Adding {
  readonly element: string;
  readonly turn: number;
  /** Who acknowledged it. */
  held: readonly Part[] | undefined;
  /** Removes that had to see it. */
  readonly taken: Fact[];
}

interface Removing {
  /** Undefined: all of them. */
  readonly elements: ReadonlySet<string> | undefined;
  /** It cannot have seen what began later. */
  seenTurn: number;
}

interface Session {
  readonly context: Context;
  readonly turn: number;
  /** What its answer had to meet. */
  readonly met: ReadonlySet<Adding>;
}

interface KeyModel {
  readonly addings: Set<Adding>;
  readonly removings: Set<Removing>;
  readonly sessions: Map<number, Session>;
}

export class SetModel implements Model {
  private readonly keys = new Map<number, KeyModel>();
  private readonly turns = new Turns();

  constructor(private readonly world: ModelWorld) {}

  read(asked: Asked): (view: View) => void {
    const model = this.modelOf(asked.key);
    const turn = this.turns.next();
    const met = this.metBy(model, asked.key, asked.parts);
    return (view) => {
      const shown = this.shownTo(asked, view);
      for (const adding of met)
        if (!shown.has(adding.element) && !mayBeRemoved(model, adding))
          this.violate(asked, `lost an element: ${adding.element}`);
      for (const element of shown) this.onShown(asked, model, element, turn);
      model.sessions.set(asked.client, { context: view.context, turn: this.turns.next(), met });
    };
  }

  change(asked: Asked, change: Change): Attempt {
    const model = this.modelOf(asked.key);
    const { add = [], remove = [] } = change;
    const known = change.isAware ? model.sessions.get(asked.client) : undefined;
    // Who has seen nothing sends nothing.
    const session = known === undefined || isEmptyContext(known.context) ? undefined : known;
    const isDelete = change.kind === "delete";
    const met = session?.met ?? this.metBy(model, asked.key, asked.firstParts);
    const turn = this.turns.next();
    const addings = add.map((element): Adding => ({ element, turn, held: undefined, taken: [] }));
    for (const adding of addings) model.addings.add(adding);
    const elements = isDelete ? undefined : new Set(remove);
    const removing = { elements, seenTurn: session?.turn ?? Number.POSITIVE_INFINITY };
    if (elements?.size !== 0) model.removings.add(removing);
    return {
      op: isDelete ? { kind: "delete" } : ({ kind: "edit-set", add, remove } satisfies Op),
      context: session?.context ?? EMPTY_CONTEXT,
      onAcknowledged: (context, view) => {
        const endTurn = this.turns.next();
        removing.seenTurn = Math.min(removing.seenTurn, endTurn);
        for (const adding of addings) adding.held = asked.parts;
        for (const adding of met) if (takes(removing, adding)) adding.taken.push({ turn: endTurn, parts: asked.parts });
        if (view === undefined) return;
        const shown = this.shownTo(asked, view);
        for (const element of add) if (!shown.has(element)) this.violate(asked, `answers without ${element}`);
        model.sessions.set(asked.client, { context, turn: endTurn, met: new Set(addings) });
      },
      onRefused: () => {
        model.removings.delete(removing);
        for (const adding of addings) model.addings.delete(adding);
      },
    };
  }

  /** Somebody must have added it, without being removed since by who had to see that. */
  private onShown(asked: Asked, { addings }: KeyModel, element: string, turn: number): void {
    const { owners } = this.world;
    const isTaken = ({ taken }: Adding) =>
      taken.some((fact) => fact.turn < turn && owners.mustMeet(asked.key, fact.parts, asked.parts));
    let wasAdded = false;
    for (const adding of addings) {
      if (adding.element !== element) continue;
      wasAdded = true;
      if (!isTaken(adding)) return;
    }
    this.violate(asked, wasAdded ? `read what had been removed: ${element}` : `read what nobody added: ${element}`);
  }

  private shownTo(asked: Asked, view: View): Set<string> {
    const elements = (jsonValueOf(view) ?? []) as string[];
    const shown = new Set(elements);
    if (shown.size !== elements.length) this.violate(asked, `one element twice: ${elements.join(" ")}`);
    return shown;
  }

  private metBy({ addings }: KeyModel, key: number, parts: readonly Part[]): Set<Adding> {
    const { owners } = this.world;
    return new Set([...addings].filter(({ held }) => held !== undefined && owners.mustMeet(key, held, parts)));
  }

  private violate({ name }: Asked, what: string): void {
    this.world.violations.push(`${name}: ${what}`);
  }

  private modelOf(key: number): KeyModel {
    let model = this.keys.get(key);
    if (model === undefined) {
      model = { addings: new Set(), removings: new Set(), sessions: new Map() };
      this.keys.set(key, model);
    }
    return model;
  }
}

function mayBeRemoved({ removings }: KeyModel, adding: Adding): boolean {
  for (const removing of removings) if (takes(removing, adding) && adding.turn < removing.seenTurn) return true;
  return false;
}

function takes({ elements }: Removing, { element }: Adding): boolean {
  return elements === undefined || elements.has(element);
}
