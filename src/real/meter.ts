/**
 * The port Meter on prom-client.
 *
 * A count or a duration is a few additions to plain fields, because they happen
 * several times per request; prom-client's own instruments cost up to 460 ns
 * each. It does what it is good at when somebody scrapes, and is loaded then: the
 * text format and the figures of the process. Each node has a registry of its
 * own, so that several can live in one process.
 *
 * Labels are small closed sets. A metric with more series than `SERIES_MAX` has
 * a key or a client's text among its labels, which is a programmer's error.
 */
import type { Metric, Registry } from "prom-client";
import { assert } from "../base/assert.js";
import type { Labels, Meter } from "../ports.js";
import { type Kind, METRICS } from "./metrics.js";

/** Upper bounds in milliseconds: a local read takes a fraction of one, and a request lives at most half a minute. */
const BUCKETS_MS = [0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000];
const SERIES_MAX = 10_000;
const MS_PER_SECOND = 1000;

export class PromMeter implements Meter {
  /** From the first scrape on. */
  private registry: Promise<Registry> | undefined;
  private readonly families = new Map<string, Family>();

  constructor() {
    for (const [name, { kind, help }] of Object.entries(METRICS)) this.add(name, kind, help);
  }

  count(name: string, labels: Labels = NO_LABELS, by = 1): void {
    this.family(name, "counter").series(labels).value += by;
  }

  gauge(name: string, value: number, labels: Labels = NO_LABELS): void {
    this.family(name, "gauge").series(labels).value = value;
  }

  time(name: string, durationMs: number, labels: Labels = NO_LABELS): void {
    const series = this.family(name, "histogram").series(labels);
    series.value += durationMs;
    let bucket = 0;
    while (bucket < BUCKETS_MS.length && durationMs > (BUCKETS_MS[bucket] as number)) bucket++;
    series.buckets[bucket] = (series.buckets[bucket] as number) + 1;
  }

  /** All series of a counter or gauge, none if it never counted. */
  readings(name: string): readonly { readonly labels: Labels; readonly value: number }[] {
    return this.families.get(name)?.all ?? [];
  }

  /** All metrics in the text format of Prometheus. */
  async text(): Promise<string> {
    this.registry ??= openRegistry();
    const registry = await this.registry;
    for (const family of this.families.values()) {
      // A registry asks its metrics for `name` and `get()` alone, whatever class they are of.
      if (registry.getSingleMetric(family.name) === undefined) registry.registerMetric(family as unknown as Metric);
    }
    return registry.metrics();
  }

  private family(name: string, kind: Kind): Family {
    const family = this.families.get(name) ?? this.add(name, kind, `${name.replaceAll("_", " ")}.`);
    assert(family.type === kind, `${name} is a ${family.type}, not a ${kind}`);
    return family;
  }

  private add(name: string, kind: Kind, help: string): Family {
    const family = new Family(name, kind, help);
    this.families.set(name, family);
    return family;
  }
}

async function openRegistry(): Promise<Registry> {
  const { collectDefaultMetrics, Registry } = await import("prom-client");
  const register = new Registry();
  collectDefaultMetrics({ register });
  return register;
}

const NO_LABELS: Labels = {};

/** One set of label values: a counter's or a gauge's value, or a histogram's sum and counts. */
interface Series {
  readonly labels: Labels;
  value: number;
  /** How many fell into each bucket and none before; the last is all beyond. Empty unless a histogram. */
  readonly buckets: number[];
}

interface Sample {
  readonly metricName?: string;
  readonly labels: Record<string, string | number>;
  readonly value: number;
}

/** All series of one name. */
class Family {
  /** The first use decides; one name with differing labels could not be scraped. */
  private labelNames: readonly string[] | undefined;
  private readonly byLabels = new Map<string, Series>();

  constructor(
    readonly name: string,
    readonly type: Kind,
    readonly help: string,
  ) {}

  series(labels: Labels): Series {
    this.labelNames ??= Object.keys(labels);
    let key = "";
    for (const name of this.labelNames) key += `${labels[name]}\n`;
    const series = this.byLabels.get(key);
    return series ?? this.addSeries(key, labels);
  }

  get all(): readonly Series[] {
    return [...this.byLabels.values()];
  }

  /** What prom-client asks for at each scrape. */
  async get(): Promise<object> {
    const values = this.all.flatMap((series) => this.samples(series));
    return { name: this.name, help: this.help, type: this.type, values, aggregator: "sum" };
  }

  private addSeries(key: string, labels: Labels): Series {
    const names = this.labelNames as readonly string[];
    const isSame = Object.keys(labels).length === names.length && names.every((name) => labels[name] !== undefined);
    assert(isSame, `${this.name} has the labels ${names.join(", ")} and no others`);
    assert(this.byLabels.size < SERIES_MAX, `${this.name} has too many series: one of its labels is not a closed set`);
    const buckets = this.type === "histogram" ? new Array<number>(BUCKETS_MS.length + 1).fill(0) : [];
    const series = { labels: { ...labels }, value: 0, buckets };
    this.byLabels.set(key, series);
    return series;
  }

  private samples({ labels, value, buckets }: Series): Sample[] {
    if (this.type !== "histogram") return [{ labels, value }];
    let total = 0;
    const samples: Sample[] = buckets.map((count, index) => {
      total += count;
      const boundMs = BUCKETS_MS[index];
      const le = boundMs === undefined ? "+Inf" : boundMs / MS_PER_SECOND;
      return { metricName: `${this.name}_bucket`, labels: { ...labels, le }, value: total };
    });
    samples.push({ metricName: `${this.name}_sum`, labels, value: value / MS_PER_SECOND });
    samples.push({ metricName: `${this.name}_count`, labels, value: total });
    return samples;
  }
}
