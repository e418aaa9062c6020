/**
 * A picture of distributions: how large a share of all took longer than so much.
 *
 * Both axes are logarithmic. On a linear share axis everything beyond the 99th
 * percentile is the last hundredth of the height, and that is what is of interest here.
 * One panel for each thing compared, all on the same axes.
 */
import { escaped, tickText } from "./chart.js";

/** This share of all took longer than that. */
export type CurvePoint = readonly [ms: number, shareAbove: number];

export interface Curve {
  readonly name: string;
  /** What the other is compared with: grey. */
  readonly isReference: boolean;
  readonly points: readonly CurvePoint[];
}

export interface CurvePanel {
  readonly title: string;
  readonly curves: readonly Curve[];
}

export interface CurveChart {
  readonly title: string;
  readonly panels: readonly CurvePanel[];
  readonly footer: string;
}

const COLUMNS = 2;
const [PANEL_WIDTH_PX, PANEL_HEIGHT_PX] = [420, 230];
const [PLOT_LEFT_PX, PLOT_TOP_PX, PLOT_WIDTH_PX, PLOT_HEIGHT_PX] = [52, 34, 350, 158];
const [MARGIN_PX, HEAD_PX, FOOT_PX] = [16, 58, 34];

const STYLE = `
  text { font: 12px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2933 }
  .title { font-size: 15px; font-weight: 600 }
  .panel { font-weight: 600 }
  .faint { fill: #616e7c; font-size: 11px }
  .grid { stroke: #e4e7eb }
  .curve { fill: none; stroke: #2f6f9f; stroke-width: 2; stroke-linejoin: round }
  .curve.reference { stroke: #9aa5b1 }
  .name { fill: #2f6f9f }
  .name.reference { fill: #7b8794 }`;

/** Powers of ten that hold all points. */
interface Decades {
  readonly first: number;
  readonly last: number;
}

export function curveChart({ title, panels, footer }: CurveChart): string {
  const points = panels.flatMap(({ curves }) => curves.flatMap((curve) => curve.points));
  const times = decadesOf(points.map(([ms]) => ms));
  const shares = { ...decadesOf(points.map(([, share]) => share)), last: 0 };
  const rows = Math.ceil(panels.length / COLUMNS);
  const widthPx = 2 * MARGIN_PX + COLUMNS * PANEL_WIDTH_PX;
  const heightPx = HEAD_PX + rows * PANEL_HEIGHT_PX + FOOT_PX;
  const drawn = panels.map((panel, index) => {
    const x = MARGIN_PX + (index % COLUMNS) * PANEL_WIDTH_PX;
    const y = HEAD_PX + Math.floor(index / COLUMNS) * PANEL_HEIGHT_PX;
    return `<g transform="translate(${x} ${y})">${panelMarks(panel, times, shares)}</g>`;
  });
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${widthPx} ${heightPx}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}\n</style>`,
    `<rect width="${widthPx}" height="${heightPx}" fill="#fcfcfd"/>`,
    `<text class="title" x="${MARGIN_PX}" y="26">${escaped(title)}</text>`,
    `<text class="faint" x="${MARGIN_PX}" y="44">share of reads that took longer, over milliseconds; both axes logarithmic</text>`,
    ...drawn,
    `<text class="faint" x="${MARGIN_PX}" y="${heightPx - 12}">${escaped(footer)}</text>`,
    "</svg>",
  ];
  return `${lines.join("\n")}\n`;
}

function panelMarks({ title, curves }: CurvePanel, times: Decades, shares: Decades): string {
  const x = (ms: number) => PLOT_LEFT_PX + place(ms, times) * PLOT_WIDTH_PX;
  const y = (share: number) => PLOT_TOP_PX + (1 - place(share, shares)) * PLOT_HEIGHT_PX;
  const [right, bottom] = [PLOT_LEFT_PX + PLOT_WIDTH_PX, PLOT_TOP_PX + PLOT_HEIGHT_PX];
  const grid = powersOf(times).map(
    (ms) =>
      `<line class="grid" x1="${px(x(ms))}" x2="${px(x(ms))}" y1="${PLOT_TOP_PX}" y2="${bottom}"/>` +
      `<text class="faint" x="${px(x(ms))}" y="${bottom + 14}" text-anchor="middle">${tickText(ms)}</text>`,
  );
  const levels = powersOf(shares).map(
    (share) =>
      `<line class="grid" x1="${PLOT_LEFT_PX}" x2="${right}" y1="${px(y(share))}" y2="${px(y(share))}"/>` +
      `<text class="faint" x="${PLOT_LEFT_PX - 6}" y="${px(y(share) + 4)}" text-anchor="end">${tickText(100 * share)} %</text>`,
  );
  const marks = curves.map((curve, index) => {
    const kind = curve.isReference ? " reference" : "";
    const name = `<text class="name${kind}" x="${right - 4}" y="${PLOT_TOP_PX + 14 + 15 * index}" text-anchor="end">`;
    return `<path class="curve${kind}" d="${path(curve.points, x, y)}"/>${name}${escaped(curve.name)}</text>`;
  });
  return `<text class="panel" x="0" y="20">${escaped(title)}</text>${[...grid, ...levels, ...marks].join("")}`;
}

/** Nothing is above the longest of all, and a logarithm knows no nothing: the curve ends before it. */
function path(points: readonly CurvePoint[], x: (ms: number) => number, y: (share: number) => number): string {
  const shown = points.filter(([, share]) => share > 0);
  return shown.map(([ms, share], index) => `${index === 0 ? "M" : "L"}${px(x(ms))} ${px(y(share))}`).join("");
}

function decadesOf(values: readonly number[]): Decades {
  const logarithms = values.filter((value) => value > 0).map((value) => Math.log10(value));
  const first = Math.floor(Math.min(0, ...logarithms));
  return { first, last: Math.max(first + 1, Math.ceil(Math.max(0, ...logarithms))) };
}

function powersOf({ first, last }: Decades): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
}

/** From 0 at the first power of ten to 1 at the last. */
function place(value: number, { first, last }: Decades): number {
  return (Math.log10(value) - first) / (last - first);
}

function px(value: number): string {
  return value.toFixed(1);
}
