/**
 * The port Meter as a plain table, for tests to look at.
 */
import type { Labels, Meter } from "../ports.js";

export class SimMeter implements Meter {
  /** By name, then by labels. */
  private readonly values = new Map<string, Map<string, number>>();

  count(name: string, labels?: Labels, by = 1): void {
    const series = this.seriesOf(name);
    const label = labelsOf(labels);
    series.set(label, (series.get(label) ?? 0) + by);
  }

  gauge(name: string, value: number, labels?: Labels): void {
    this.seriesOf(name).set(labelsOf(labels), value);
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
    for (const [label, value] of this.values.get(name) ?? []) {
      if (wanted.every((pair) => label.includes(pair))) sum += value;
    }
    return sum;
  }

  /** A counter's or a gauge's value; of a timed name, how often it was timed. 0 when it never was. */
  value(name: string, labels?: Labels): number {
    return this.values.get(name)?.get(labelsOf(labels)) ?? 0;
  }

  private seriesOf(name: string): Map<string, number> {
    const known = this.values.get(name);
    if (known !== undefined) return known;
    const series = new Map<string, number>();
    this.values.set(name, series);
    return series;
  }
}

/** Labels as one text, whatever order they came in. */
function labelsOf(labels: Labels | undefined): string {
  if (labels === undefined) return "";
  const pairs = Object.keys(labels).map((label) => pairOf(label, labels[label] as string));
  return pairs.length === 1 ? (pairs[0] as string) : pairs.sort().join(",");
}

function pairOf(label: string, value: string): string {
  return `${label}="${value}"`;
}
