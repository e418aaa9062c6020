/**
 * A measure taken several times: its median, and the least and the most beside it.
 *
 * On a shared machine a lone figure says nothing. Two arms that took turns are
 * compared round by round, so that both sides of a ratio met the same noise.
 */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    least: at(0),
    most: at(sorted.length - 1),
  };
}

/** The ratios of neighbouring rounds: the first of the one over the first of the other, and so on. */
export function ratioSpread(measured: readonly number[], reference: readonly number[]): Spread {
  return spreadOf(measured.map((value, round) => value / (reference[round] ?? Number.NaN)));
}
