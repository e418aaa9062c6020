/**
 * The model of siblings: a value is there until a write that had read it replaces it, and then never again.
 *
 * Values are told apart by their text. What a context covers is what the model
 * saw its client being shown. A delete without a context replaces whatever its owner
 * holds: from then on every value of that time may be gone, and none must be.
 * A value with an id is gone for who meets its replacement and those who knew it as it was seen.
 */
import { utf8 } from "../base/bytes.js";
import { type Context, EMPTY_CONTEXT, isEmptyContext } from "../lattice/context.js";
import type { View } from "../lattice/lattice.js";
import type { Asked, Attempt, Fact, Known, Model, ModelWorld } from "./model.js";
import { mustSee, Turns } from "./model.js";
import { heldByMore, ONE_OWNER, type Part } from "./owners.js";
import type { Change } from "./script.js";

interface Expiry {
  readonly fromMs: number;
  readonly byMs: number;
}

const NEVER: Expiry = { fromMs: Number.POSITIVE_INFINITY, byMs: Number.POSITIVE_INFINITY };

interface Value {
  readonly text: string;
  /** It has an id. */
  readonly isNamed: boolean;
  /** How often it was tried without being refused: with an id all of these are one. */
  tries: number;
  /** By true time: when it may be gone by itself at the earliest, and at the latest it is. */
  expiry: Expiry;
  /** Who acknowledged it, or showed it once it was mended. */
  held: readonly Part[] | undefined;
  /** Writes that had seen it, and may have happened. */
  successors: number;
  /** Those of them that did. */
  readonly replaced: Fact[];
}

interface Session {
  readonly context: Context;
  readonly seen: ReadonlyMap<Value, Known>;
}

interface KeyModel {
  readonly values: Map<string, Value>;
  /** Those without successors. */
  readonly live: Set<Value>;
  /** Deletes without a context that may not have happened yet, and what each may replace. */
  readonly blindDeletes: Set<Value[]>;
  readonly sessions: Map<number, Session>;
}

export const SIBLING_EXPIRED = "a sibling expired";

export class SiblingsModel implements Model {
  private readonly keys = new Map<number, KeyModel>();
  private readonly turns = new Turns();

  constructor(private readonly world: ModelWorld) {}

  read(asked: Asked, isMended: boolean): (view: View) => void {
    const { owners } = this.world;
    const model = this.modelOf(asked.key);
    const turn = this.turns.next();
    const musts = [...model.live].filter(({ held }) => held && owners.mustMeet(asked.key, held, asked.parts));
    return (view) => {
      const shown = this.shownTo(asked, model, view, turn);
      for (const value of musts) {
        if (value.successors > 0 || shown.has(value)) continue;
        if (this.world.nowMs() < value.expiry.fromMs) this.violate(asked, `lost a sibling: ${value.text}`);
        else this.world.noted.add(SIBLING_EXPIRED);
      }
      if (isMended) for (const value of shown) value.held = heldByMore(value.held ?? [], asked.parts);
      const knowers = isMended ? asked.parts : ONE_OWNER;
      const seen = new Map([...shown].map((value) => [value, knownBy(value, knowers)]));
      model.sessions.set(asked.client, { context: view.context, seen });
    };
  }

  change(asked: Asked, change: Change): Attempt {
    const model = this.modelOf(asked.key);
    const session = change.isAware ? model.sessions.get(asked.client) : undefined;
    const { context, seen } = session ?? { context: EMPTY_CONTEXT, seen: new Map<Value, Known>() };
    const isBlindDelete = change.kind === "delete" && isEmptyContext(context);
    const value = change.kind === "put" ? this.valueOf(model, asked, change) : undefined;
    const expiresAtMs = change.ttlMs === undefined ? undefined : this.world.nowMs() + change.ttlMs;
    if (value !== undefined && expiresAtMs !== undefined) this.expire(value, expiresAtMs);
    // Also those that something else may replace: it may yet be refused.
    const replaces = isBlindDelete ? [...model.values.values()] : [...seen.keys()];
    for (const old of replaces) succeed(model, old);
    if (isBlindDelete) model.blindDeletes.add(replaces);
    return {
      op:
        value === undefined
          ? { kind: "delete" }
          : { kind: "put", contentType: "text/plain", value: utf8(value.text), expiresAtMs },
      context,
      onAcknowledged: (answered) => {
        model.blindDeletes.delete(replaces);
        const [turn, { parts }] = [this.turns.next(), asked];
        // Which of them its owner held, only that owner knows.
        // Of a change with an id that is tried again, the former time may be the one that happened.
        const isKnown = !isBlindDelete && (value === undefined || value.tries === 1);
        if (isKnown) for (const [old, known] of seen) old.replaced.push({ turn, parts, known });
        if (value !== undefined) value.held = heldByMore(value.held ?? [], parts);
        const own = value === undefined ? [] : [[value, knownBy(value, parts)] as const];
        model.sessions.set(asked.client, { context: answered, seen: new Map([...seen, ...own]) });
      },
      onRefused: () => {
        model.blindDeletes.delete(replaces);
        for (const old of replaces) if (--old.successors === 0 && model.values.has(old.text)) model.live.add(old);
        if (value === undefined || --value.tries > 0) return;
        model.values.delete(value.text);
        model.live.delete(value);
      },
    };
  }

  private shownTo(asked: Asked, model: KeyModel, { contents }: View, turn: number): Set<Value> {
    const shown = new Set<Value>();
    for (const content of contents) {
      const text = Buffer.from(content.value).toString();
      const value = model.values.get(text);
      if (value === undefined) {
        this.violate(asked, `read what nobody wrote: ${text}`);
        continue;
      }
      if (shown.has(value)) this.violate(asked, `read one value twice: ${text}`);
      shown.add(value);
      if (this.world.nowMs() > value.expiry.byMs) this.violate(asked, `read what had expired: ${text}`);
      if (mustSee(this.world.owners, value.replaced, asked, turn))
        this.violate(asked, `read what had been replaced: ${text}`);
    }
    return shown;
  }

  /** By each clock it may be gone at another time; and each time that it is tried its time is counted anew. */
  private expire(value: Value, expiresAtMs: number): void {
    const { clocksOffMs } = this.world;
    const former = value.tries === 1 ? expiresAtMs : value.expiry.fromMs + clocksOffMs;
    value.expiry = { fromMs: Math.min(former, expiresAtMs) - clocksOffMs, byMs: expiresAtMs + clocksOffMs };
  }

  /** A value with an id is one for all times that it is tried. */
  private valueOf(model: KeyModel, { name, wish }: Asked, { isNamed = false }: Change): Value {
    const text = `value ${isNamed ? wish : name}`;
    const value = model.values.get(text) ?? this.newValue(model, text, isNamed);
    value.tries++;
    return value;
  }

  private newValue(model: KeyModel, text: string, isNamed: boolean): Value {
    const value: Value = { text, isNamed, tries: 0, expiry: NEVER, held: undefined, successors: 0, replaced: [] };
    model.values.set(text, value);
    model.live.add(value);
    for (const replaces of model.blindDeletes) {
      succeed(model, value);
      replaces.push(value);
    }
    return value;
  }

  private violate({ name }: Asked, what: string): void {
    this.world.violations.push(`${name}: ${what}`);
  }

  private modelOf(key: number): KeyModel {
    let model = this.keys.get(key);
    if (model === undefined) {
      model = { values: new Map(), live: new Set(), blindDeletes: new Set(), sessions: new Map() };
      this.keys.set(key, model);
    }
    return model;
  }
}

function knownBy({ isNamed }: Value, knowers: readonly Part[]): Known {
  return isNamed ? knowers : undefined;
}

/** A write that replaces it is on its way. */
function succeed({ live }: KeyModel, value: Value): void {
  value.successors++;
  live.delete(value);
}
