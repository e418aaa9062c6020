/**
 * The network of a tortured cluster: a proxy for each ordered pair of nodes, and
 * one weather for each direction between two of them, whoever dialled.
 */
import { FAIR, type Weather, Wire } from "./proxy.js";

export class Network {
  private readonly weathers = new Map<string, Weather>();
  private readonly wires = new Map<string, Wire>();
  private readonly dialPorts = new Map<string, number>();

  private constructor(readonly ids: readonly string[]) {}

  /** `peerPorts` are where the nodes listen. */
  static async create(ids: readonly string[], peerPorts: ReadonlyMap<string, number>): Promise<Network> {
    const network = new Network(ids);
    for (const [from, to] of network.pairs()) network.weathers.set(nameOf(from, to), { ...FAIR });
    for (const [from, to] of network.pairs()) {
      const wire = new Wire(peerPorts.get(to) as number, network.weather(from, to), network.weather(to, from));
      network.wires.set(nameOf(from, to), wire);
      network.dialPorts.set(nameOf(from, to), await wire.listen());
    }
    return network;
  }

  /** Where `from` dials `to`. */
  dialPort(from: string, to: string): number {
    return this.dialPorts.get(nameOf(from, to)) as number;
  }

  /** Changes what the direction is like. */
  change(from: string, to: string, change: Partial<Weather>): void {
    Object.assign(this.weather(from, to), change);
    this.wire(from, to).onWeather();
    this.wire(to, from).onWeather();
  }

  /** Cuts or mends all between two groups; both ways unless `isOneWay`. */
  cut(from: readonly string[], to: readonly string[], isOneWay = false, isCut = true): void {
    for (const one of from) {
      for (const other of to) {
        if (one === other) continue;
        this.change(one, other, { isCut });
        if (!isOneWay) this.change(other, one, { isCut });
      }
    }
  }

  /** Between two nodes, in both directions of dialling. */
  reset(one: string, other: string): void {
    this.wire(one, other).reset();
    this.wire(other, one).reset();
  }

  halfOpen(from: string, to: string): void {
    this.wire(from, to).halfOpen();
  }

  /** All is fair weather again. */
  heal(): void {
    for (const [from, to] of this.pairs()) this.change(from, to, FAIR);
  }

  /** Whether questions of one get answers of the other. */
  isOpen(one: string, other: string): boolean {
    return one === other || !(this.weather(one, other).isCut || this.weather(other, one).isCut);
  }

  async close(): Promise<void> {
    await Promise.all([...this.wires.values()].map((wire) => wire.close()));
  }

  pairs(): (readonly [from: string, to: string])[] {
    return this.ids.flatMap((from) => this.ids.filter((to) => to !== from).map((to) => [from, to] as const));
  }

  private weather(from: string, to: string): Weather {
    return this.weathers.get(nameOf(from, to)) as Weather;
  }

  private wire(from: string, to: string): Wire {
    return this.wires.get(nameOf(from, to)) as Wire;
  }
}

function nameOf(from: string, to: string): string {
  return `${from} ${to}`;
}
