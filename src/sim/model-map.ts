/**
 * The model of maps: each field by itself, and all that one edit changes together.
 *
 * Registers and elements of sets are places that something is brought to: it stays until
 * a removal that had seen it. A register's owner takes away what it holds when it is
 * set anew; so one of two values may be hidden, but a field that was set is
 * there. Counters within are counters (model-counter.ts). Some fields are only ever set
 * and removed as one: whoever reads one of them without the other has read half an edit.
 */
import { utf8 } from "../base/bytes.js";
import { EMPTY_CONTEXT } from "../lattice/context.js";
import type { View } from "../lattice/lattice.js";
import { COUNTERS, editMapOf, isWithin, PAIR, partsOfMap, SETS } from "./map-fields.js";
import type { Asked, Attempt, Model, ModelWorld } from "./model.js";
import { jsonValueOf } from "./model.js";
import { CounterModel } from "./model-counter.js";
import { type Adding, type Met, Observed } from "./observed.js";
import { ONE_OWNER } from "./owners.js";
import type { Change, FieldEdit } from "./script.js";

export const FIELD_HIDDEN = "a field's value was hidden by another";
export const ADD_WON = "a field outlived a removal that had not seen it";

interface KeyModel {
  readonly fields: Observed;
  readonly counters: ReadonlyMap<string, CounterModel>;
}

export class MapModel implements Model {
  private readonly keys = new Map<number, KeyModel>();

  constructor(private readonly world: ModelWorld) {}

  read(asked: Asked, isMended: boolean): (view: View) => void {
    const { fields, counters } = this.modelOf(asked.key);
    const turn = fields.turns.next();
    const met = fields.metBy(asked.key, asked.parts);
    const counts = [...counters].map(([place, model]) => [place, model.read(asked, isMended)] as const);
    return (view) => {
      const parts = this.partsOf(asked, view);
      for (const adding of met.keys()) this.onMet(asked, fields, adding, parts);
      const seen = [...parts].flatMap(([place, values]) =>
        COUNTERS.includes(place) ? [] : values.flatMap((value) => this.onShown(asked, fields, { place, value }, turn)),
      );
      for (const [place, onView] of counts) onView(counterView(view, place));
      fields.onSeen(asked, view.context, { met, shown: seen, isHeld: isMended });
    };
  }

  change(asked: Asked, change: Change): Attempt {
    const { fields, counters } = this.modelOf(asked.key);
    const edits = change.kind === "delete" ? undefined : (change.fields ?? []);
    const brought = (edits ?? []).flatMap((edit) => broughtBy(edit, asked.wish));
    const takes = (adding: Adding) => edits === undefined || edits.some((edit) => takesAt(edit, adding));
    const isTaking = edits === undefined || edits.some(({ kind }) => kind === "remove" || kind === "take-out");
    const sending = fields.send(asked, change, brought, isTaking ? takes : undefined);
    const superseded = this.supersededBy(asked, change, fields, sending.seen);
    const counting = [...counters].flatMap(([place, model]) => countingAt(place, model, asked, change));
    return {
      op: edits === undefined ? { kind: "delete" } : editMapOf(edits, asked.wish),
      context: sending.context,
      onAcknowledged: (context, view) => {
        const turn = sending.onAcknowledged();
        if (sending.isFirst) for (const adding of superseded) adding.taken.push({ turn, parts: asked.parts });
        for (const { place, attempt } of counting) attempt.onAcknowledged(context, view && counterView(view, place));
        if (view === undefined) return;
        const parts = this.partsOf(asked, view);
        for (const adding of sending.addings) this.onAnswered(asked, fields, adding, parts);
        fields.onSeen(asked, context, { shown: sending.addings, isHeld: true });
      },
      onRefused: () => {
        sending.onRefused();
        for (const { attempt } of counting) attempt.onRefused();
      },
    };
  }

  /** What the minter of a change had to hold of the registers that it sets. */
  private supersededBy(asked: Asked, { fields: edits = [], isNamed }: Change, fields: Observed, seen: Met): Adding[] {
    const isReading = isNamed || edits.some(({ kind }) => kind === "remove" || kind === "take-out");
    const set = new Set(edits.flatMap(({ kind, field }) => (kind === "set" ? [field] : [])));
    const met = fields.metBy(asked.key, isReading ? asked.firstParts : ONE_OWNER);
    // What has an id replaces only what its client has seen.
    const isReplaced = (adding: Adding) => !isNamed || this.isKnown(asked, seen, adding);
    return [...met.keys()].filter((adding) => set.has(adding.place) && isReplaced(adding));
  }

  /** Whether a client's context tells it to the owner that he asks, who reads first. */
  private isKnown({ key, firstParts }: Asked, seen: Met, adding: Adding): boolean {
    if (!adding.isNamed) return seen.has(adding);
    const knowers = seen.get(adding);
    return knowers !== undefined && this.world.owners.mustMeet(key, knowers, firstParts);
  }

  private onMet(asked: Asked, fields: Observed, adding: Adding, parts: ReadonlyMap<string, readonly string[]>): void {
    const { place, value } = adding;
    const shown = parts.get(place) ?? [];
    if (shown.includes(value)) return;
    if (isHiddenAmong(shown, place)) this.world.noted.add(FIELD_HIDDEN);
    else if (!this.mayBeAbsent(fields, adding)) this.violate(asked, `lost a field: ${place} ${value}`);
  }

  /** What has an id may have been made before, by an owner that was silent or at a former try. */
  private onAnswered(
    asked: Asked,
    fields: Observed,
    adding: Adding,
    parts: ReadonlyMap<string, readonly string[]>,
  ): void {
    const { place, value, tries, isNamed } = adding;
    const shown = parts.get(place) ?? [];
    if (shown.includes(value) || tries > 1) return;
    if (isNamed && (isHiddenAmong(shown, place) || this.mayBeAbsent(fields, adding))) return;
    this.violate(asked, `answers without what it set: ${place} ${value}`);
  }

  /** It may have been removed; or a value that took its place was. */
  private mayBeAbsent(fields: Observed, adding: Adding): boolean {
    if (fields.mayBeRemoved(adding)) return true;
    if (SETS.includes(adding.place)) return false;
    return [...fields.addings].some(
      (other) => other.place === adding.place && other.endTurn > adding.turn && fields.mayBeRemoved(other),
    );
  }

  /** Somebody must have brought it, without being removed since by who had to see that. Returns whose it must be. */
  private onShown(
    asked: Asked,
    fields: Observed,
    { place, value }: Pick<Adding, "place" | "value">,
    turn: number,
  ): readonly Adding[] {
    const shown = fields.shownBy(asked, { place, value }, turn);
    if (shown.some((adding) => fields.hasOutlived(adding))) this.world.noted.add(ADD_WON);
    if (shown.length === 0) {
      const what = fields.wasBrought({ place, value }) ? "read what was gone" : "read what nobody set";
      this.violate(asked, `${what}: ${place} ${value}`);
    }
    return shown.length === 1 ? shown : [];
  }

  /** What is shown at each place; a pair must be one. */
  private partsOf(asked: Asked, view: View): ReadonlyMap<string, readonly string[]> {
    const parts = partsOfMap(jsonValueOf(view));
    const [left, right] = PAIR.map((place) => parts.get(place)?.join());
    if (left !== right) this.violate(asked, `read half an edit: ${left ?? "nothing"} beside ${right ?? "nothing"}`);
    return parts;
  }

  private violate({ name }: Asked, what: string): void {
    this.world.violations.push(`${name}: ${what}`);
  }

  private modelOf(key: number): KeyModel {
    let model = this.keys.get(key);
    if (model === undefined) {
      const counters = new Map(COUNTERS.map((place) => [place, new CounterModel(this.world)]));
      model = { fields: new Observed(this.world.owners), counters };
      this.keys.set(key, model);
    }
    return model;
  }
}

/** A register shows one value. */
function isHiddenAmong(shown: readonly string[], place: string): boolean {
  return !SETS.includes(place) && shown.length > 0;
}

/** Each time that a register is set it is to another value. */
function broughtBy({ kind, field, element }: FieldEdit, wish: string): Pick<Adding, "place" | "value">[] {
  if (kind === "set") return [{ place: field, value: wish }];
  return kind === "put-in" ? [{ place: field, value: element ?? "" }] : [];
}

function takesAt({ kind, field, element }: FieldEdit, { place, value }: Adding): boolean {
  if (kind === "remove") return isWithin(place, field);
  return kind === "take-out" && place === field && value === element;
}

/** What a change does to the counter at a place. */
function countingAt(place: string, model: CounterModel, asked: Asked, change: Change) {
  const edit = change.fields?.find(({ kind, field }) => kind === "add" && field === place);
  const isReset =
    change.kind === "delete" || change.fields?.some(({ kind, field }) => kind === "remove" && isWithin(place, field));
  if (edit !== undefined)
    return [{ place, attempt: model.change(asked, { ...change, kind: "add", by: edit.by ?? 1 }) }];
  return isReset ? [{ place, attempt: model.change(asked, { ...change, kind: "delete" }) }] : [];
}

/** A counter that is not there counts nothing. */
function counterView(view: View, place: string): View {
  const value = partsOfMap(jsonValueOf(view)).get(place)?.[0] ?? "0";
  return { contents: [{ contentType: "application/json", value: utf8(`{"value":${value}}`) }], context: EMPTY_CONTEXT };
}
