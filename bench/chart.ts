/**
 * A picture of measures: one bar each, a whisker from the least to the most.
 *
 * The axis begins at zero, so that lengths compare as the values do; where the
 * values span decades it is logarithmic, and says so. Plain SVG with its own
 * colours and a light ground: it looks the same in a browser and in a README.
 */
import type { Spread } from "./spread.js";

export interface Bar {
  readonly label: string;
  readonly spread: Spread;
  /** The median as it is to be read. */
  readonly text: string;
  /** What the others are measured against: grey. */
  readonly isReference: boolean;
}

export interface BarChart {
  readonly title: string;
  /** What the length of a bar is. */
  readonly axis: string;
  /** Where and when it was measured. */
  readonly footer: string;
  readonly bars: readonly Bar[];
}

/** Beyond this ratio of the largest to the smallest bar, a linear axis shows only the large ones. */
const LINEAR_RATIO_MAX = 30;
const WIDTH_PX = 860;
const MARGIN_PX = 16;
const HEAD_PX = 64;
const ROW_PX = 24;
const BAR_PX = 14;
const CHARACTER_PX = 6.8;
const VALUE_PX = 70;

const STYLE = `
  text { font: 12px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2933 }
  .title { font-size: 15px; font-weight: 600 }
  .faint { fill: #616e7c }
  .grid { stroke: #e4e7eb }
  .bar { fill: #2f6f9f }
  .reference { fill: #9aa5b1 }
  .whisker { stroke: #102a43; stroke-width: 1.5 }`;

export function barChart({ title, axis, footer, bars }: BarChart): string {
  const drawn = bars.filter(({ spread }) => Number.isFinite(spread.median) && spread.median > 0);
  const labelPx = MARGIN_PX + Math.max(0, ...drawn.map(({ label }) => label.length)) * CHARACTER_PX + 10;
  const scale = scaleOf(drawn, labelPx, WIDTH_PX - MARGIN_PX - VALUE_PX);
  const bottomPx = HEAD_PX + drawn.length * ROW_PX;
  const heightPx = bottomPx + 52;
  const grid = scale.ticks.map((tick) => {
    const x = scale.x(tick).toFixed(1);
    const line = `<line class="grid" x1="${x}" x2="${x}" y1="${HEAD_PX - 4}" y2="${bottomPx}"/>`;
    return `${line}<text class="faint" x="${x}" y="${bottomPx + 16}" text-anchor="middle">${tickText(tick)}</text>`;
  });
  const marks = drawn.map((bar, index) => barMark(bar, scale, labelPx, HEAD_PX + index * ROW_PX));
  const unit = `${axis}${scale.isLogarithmic ? ", logarithmic axis" : ""}`;
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH_PX} ${heightPx}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}\n</style>`,
    `<rect width="${WIDTH_PX}" height="${heightPx}" fill="#fcfcfd"/>`,
    `<text class="title" x="${MARGIN_PX}" y="26">${escaped(title)}</text>`,
    `<text class="faint" x="${MARGIN_PX}" y="46">${escaped(unit)}; whiskers: least to most</text>`,
    ...grid,
    ...marks,
    `<text class="faint" x="${MARGIN_PX}" y="${heightPx - 12}">${escaped(footer)}</text>`,
    "</svg>",
  ];
  return `${lines.join("\n")}\n`;
}

interface Scale {
  readonly isLogarithmic: boolean;
  readonly ticks: readonly number[];
  x(value: number): number;
}

function scaleOf(bars: readonly Bar[], leftPx: number, rightPx: number): Scale {
  const most = Math.max(...bars.map(({ spread }) => spread.most), Number.MIN_VALUE);
  const medians = bars.map(({ spread }) => spread.median);
  const isLogarithmic = Math.max(...medians) / Math.min(...medians) > LINEAR_RATIO_MAX;
  if (!isLogarithmic) {
    const step = niceStep(most / 5);
    const ticks = Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, index) => index * step);
    return { isLogarithmic, ticks, x: (value) => leftPx + (value / most) * (rightPx - leftPx) };
  }
  const least = Math.min(...bars.map(({ spread }) => spread.least).filter((value) => value > 0));
  // A whole decade at least lies below the shortest bar, so that it has a length.
  const [first, last] = [Math.ceil(Math.log10(least)) - 1, Math.log10(most)];
  const ticks = Array.from({ length: Math.floor(last) - first + 1 }, (_, index) => 10 ** (first + index));
  const share = (value: number) => Math.max(0, (Math.log10(value) - first) / (last - first));
  return { isLogarithmic, ticks, x: (value) => leftPx + share(value) * (rightPx - leftPx) };
}

/** 1, 2 or 5 times a power of ten, no smaller than `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= least) ?? 10;
  return factor * power;
}

function barMark({ label, spread, text, isReference }: Bar, scale: Scale, leftPx: number, topPx: number): string {
  const middlePx = topPx + ROW_PX / 2;
  const [end, least, most] = [spread.median, spread.least, spread.most].map((value) => scale.x(value).toFixed(1));
  const bar = `class="bar${isReference ? " reference" : ""}" x="${leftPx.toFixed(1)}" y="${middlePx - BAR_PX / 2}"`;
  const widthPx = Math.max(0.5, Number(end) - leftPx).toFixed(1);
  const whisker = `M${least} ${middlePx - 4}v8M${least} ${middlePx}H${most}M${most} ${middlePx - 4}v8`;
  return [
    `<text x="${(leftPx - 8).toFixed(1)}" y="${middlePx + 4}" text-anchor="end">${escaped(label)}</text>`,
    `<rect ${bar} width="${widthPx}" height="${BAR_PX}" rx="1.5"/>`,
    spread.least === spread.most ? "" : `<path class="whisker" d="${whisker}"/>`,
    `<text x="${(Math.max(Number(end), Number(most)) + 6).toFixed(1)}" y="${middlePx + 4}">${escaped(text)}</text>`,
  ].join("");
}

export function tickText(tick: number): string {
  return tick.toLocaleString("en-US", { maximumSignificantDigits: 6 });
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

export function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ENTITIES[character] ?? character);
}
