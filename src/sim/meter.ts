/**
 * The port Meter as a plain table, for tests to look at.
 */
import type { Labels, Meter } from "../ports.js";

export class SimMeter implements Meter {
  private readonly values = new Map<string, number>();

  count(name: string, labels?: Labels, by = 1): void {
    const series = seriesOf(name, labels);
    this.values.set(series, (this.values.get(series) ?? 0) + by);
  }

  gauge(name: string, value: number, labels?: Labels): void {
    this.values.set(seriesOf(name, labels), value);
  }

  /** Durations are counted, and their sum is kept under `{name}_sum`: a run of virtual weeks has no room for each. */
  time(name: string, durationMs: number, labels?: Labels): void {
    this.count(name, labels);
    this.count(`${name}_sum`, labels, durationMs);
  }

  /** All series of a name that have these labels, added up. */
  sum(name: string, labels: Labels = {}): number {
    const wanted = Object.entries(labels).map(([label, value]) => pairOf(label, value));
    let sum = 0;
    for (const [series, value] of this.values) {
      const isNamed = series === name || series.startsWith(`${name}{`);
      if (isNamed && wanted.every((pair) => series.includes(pair))) sum += value;
    }
    return sum;
  }

  /** A counter's or a gauge's value; of a timed name, how often it was timed. 0 when it never was. */
  value(name: string, labels?: Labels): number {
    return this.values.get(seriesOf(name, labels)) ?? 0;
  }
}

/** A name and its labels, whatever order they came in. */
function seriesOf(name: string, labels: Labels | undefined): string {
  if (labels === undefined) return name;
  const names = Object.keys(labels);
  if (names.length === 0) return name;
  const pairs = names.map((label) => pairOf(label, labels[label] as string));
  return `${name}{${pairs.length === 1 ? pairs[0] : pairs.sort().join(",")}}`;
}

function pairOf(label: string, value: string): string {
  return `${label}="${value}"`;
}
