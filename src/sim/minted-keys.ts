/**
 * Keys whose changes are minted, at the end of a run: by one client who asks all owners, each is read and held against
 * its model, and can still be changed.
 */
import type { Hedge } from "../cluster-config.js";
import type { Failure } from "../coordinator/outcome.js";
import { keyOf } from "./cells.js";
import type { SimCluster } from "./cluster.js";
import { PAIR } from "./map-fields.js";
import type { Asked, Model, ModelWorld } from "./model.js";
import { CounterModel } from "./model-counter.js";
import { MapModel } from "./model-map.js";
import { SetModel } from "./model-set.js";
import { SiblingsModel } from "./model-siblings.js";
import type { Owners } from "./owners.js";
import type { Change, MintedType, Script } from "./script.js";

export type Models = Readonly<Record<MintedType, Model>>;

const LAST_CLIENT = -1;
const LAST_WISHES: Readonly<Record<MintedType, Pick<Change, "kind" | "by" | "add" | "fields">>> = {
  siblings: { kind: "put" },
  counter: { kind: "add", by: 1 },
  set: { kind: "edit-set", add: ["last"] },
  map: { kind: "edit-map", fields: PAIR.map((field) => ({ kind: "set", field })) },
};

export function modelsOf(world: ModelWorld): Models {
  const maps = { map: new MapModel(world) };
  return { siblings: new SiblingsModel(world), counter: new CounterModel(world), set: new SetModel(world), ...maps };
}

export class MintedKeys {
  private readonly types: ReadonlyMap<number, MintedType>;
  private asked = 0;

  constructor(
    script: Script,
    private readonly cluster: SimCluster,
    private readonly owners: Owners,
    private readonly models: Models,
    private readonly deadlineMs: number,
  ) {
    this.types = new Map(
      script.steps.flatMap(({ deed }) => ("change" in deed ? [[deed.change.key, deed.change.type]] : [])),
    );
  }

  get size(): number {
    return this.types.size;
  }

  /** Reads each at ALL; the first failure, if any. */
  readAll(hedge: Hedge): string | undefined {
    let failure: string | undefined;
    for (const [key, type] of this.types) {
      const asked = this.askedOf(`last read of ${type} ${key}`, key);
      const onView = this.models[type].read(asked, true);
      const request = { bucket: type, key: keyOf({ key }), level: "ALL", deadlineMs: this.deadlineMs } as const;
      const outcome = this.cluster.read(this.nodeOf(key), { ...request, hedge, mend: true });
      if (outcome.ok) onView(outcome.view);
      else failure ??= failureOf(asked, outcome.failure);
    }
    return failure;
  }

  /** Changes each at ALL, with what was read last of it; the first failure, if any. */
  changeAll(): string | undefined {
    for (const [key, type] of this.types) {
      const asked = this.askedOf(`last change of ${type} ${key}`, key);
      const attempt = this.models[type].change(asked, this.changeOf(key, type));
      const { op, context } = attempt;
      const wish = { bucket: type, key: keyOf({ key }), op, context };
      const outcome = this.cluster.write(this.nodeOf(key), { ...wish, level: "ALL", deadlineMs: this.deadlineMs });
      if (!outcome.ok) return failureOf(asked, outcome.failure);
      attempt.onAcknowledged(outcome.context, outcome.view);
    }
    return undefined;
  }

  /** Such as no state of the key refuses. */
  private changeOf(key: number, type: MintedType): Change {
    const request = { client: LAST_CLIENT, node: 0, retries: 0, level: "ALL", deadlineMs: this.deadlineMs } as const;
    return { ...request, key, type, isAware: true, mend: true, ...LAST_WISHES[type] };
  }

  private askedOf(name: string, key: number): Asked {
    const parts = this.owners.partsOf(key, "ALL", undefined);
    const firstParts = this.owners.partsOf(key, "QUORUM", undefined);
    const wish = `${name} (${++this.asked})`;
    return { name: `${wish} at ${this.nodeOf(key)}`, wish, key, client: LAST_CLIENT, parts, firstParts };
  }

  private nodeOf(key: number): string {
    return this.cluster.ids[key % this.cluster.ids.length] as string;
  }
}

function failureOf({ name }: Asked, { kind, detail }: Failure): string {
  return `${name}: ${kind}: ${detail}`;
}
