/**
 * The model of sets: an element is there if an add of it was acknowledged that no remove may have seen, and is gone
 * once a remove had to see all adds of it. Between the two, add wins, and either may be true.
 */
import type { View } from "../lattice/lattice.js";
import type { Asked, Attempt, Model, ModelWorld } from "./model.js";
import { jsonValueOf } from "./model.js";
import { type Adding, Observed } from "./observed.js";
import type { Change } from "./script.js";

/** A set is one place. */
const HERE = "";

/** What has an id may have been made before, by an owner that was silent or at a former try, and been removed since. */
function mayBePast(adding: Adding, model: Observed): boolean {
  return adding.tries > 1 || (adding.isNamed && model.mayBeRemoved(adding));
}

export class SetModel implements Model {
  private readonly keys = new Map<number, Observed>();

  constructor(private readonly world: ModelWorld) {}

  read(asked: Asked, isMended: boolean): (view: View) => void {
    const model = this.modelOf(asked.key);
    const turn = model.turns.next();
    const met = model.metBy(asked.key, asked.parts);
    return (view) => {
      const shown = this.shownTo(asked, view);
      for (const adding of met.keys())
        if (!shown.has(adding.value) && !model.mayBeRemoved(adding))
          this.violate(asked, `lost an element: ${adding.value}`);
      const seen = [...shown].flatMap((element) => this.onShown(asked, model, element, turn));
      model.onSeen(asked, view.context, { met, shown: seen, isHeld: isMended });
    };
  }

  change(asked: Asked, change: Change): Attempt {
    const model = this.modelOf(asked.key);
    const { add = [], remove = [] } = change;
    const brought = add.map((value) => ({ place: HERE, value }));
    const isDelete = change.kind === "delete";
    const takes = ({ value }: Adding) => isDelete || remove.includes(value);
    const sending = model.send(asked, change, brought, isDelete || remove.length > 0 ? takes : undefined);
    return {
      op: isDelete ? { kind: "delete" } : { kind: "edit-set", add, remove },
      context: sending.context,
      onAcknowledged: (context, view) => {
        sending.onAcknowledged();
        if (view === undefined) return;
        const shown = this.shownTo(asked, view);
        for (const adding of sending.addings)
          if (!shown.has(adding.value) && !mayBePast(adding, model))
            this.violate(asked, `answers without ${adding.value}`);
        model.onSeen(asked, context, { shown: sending.addings, isHeld: true });
      },
      onRefused: () => sending.onRefused(),
    };
  }

  /** Somebody must have added it, without being removed since by who had to see that. Returns whose it must be. */
  private onShown(asked: Asked, model: Observed, value: string, turn: number): readonly Adding[] {
    const element = { place: HERE, value };
    const shown = model.shownBy(asked, element, turn);
    if (shown.length === 0) {
      const what = model.wasBrought(element) ? "read what had been removed" : "read what nobody added";
      this.violate(asked, `${what}: ${value}`);
    }
    return shown.length === 1 ? shown : [];
  }

  private shownTo(asked: Asked, view: View): Set<string> {
    const elements = (jsonValueOf(view) ?? []) as string[];
    const shown = new Set(elements);
    if (shown.size !== elements.length) this.violate(asked, `one element twice: ${elements.join(" ")}`);
    return shown;
  }

  private violate({ name }: Asked, what: string): void {
    this.world.violations.push(`${name}: ${what}`);
  }

  private modelOf(key: number): Observed {
    let model = this.keys.get(key);
    if (model === undefined) {
      model = new Observed(this.world.owners);
      this.keys.set(key, model);
    }
    return model;
  }
}
