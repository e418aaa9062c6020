/**
 * Several values of one key, for the person who has to decide between them: a
 * row each, numbered as `murmur resolve --pick` counts them.
 *
 * On a terminal a long value is cut to the line, and says so; into a pipe each
 * goes whole. The value as it is, is in `--json`.
 */
import { isUtf8 } from "node:buffer";
import { inOneLine, paint, print, table } from "./terminal.js";

/** As a node's envelope says it. */
export interface Sibling {
  readonly contentType: string;
  /** In base64. */
  readonly value: string;
}

/** Prints one row for each. */
export function printSiblings(siblings: readonly Sibling[]): void {
  const { isTTY, columns = COLUMNS } = process.stdout;
  const rows = siblings.map(({ contentType, value }, index) => {
    const bytes = Buffer.from(value, "base64");
    return [String(index + 1), contentType, String(bytes.length), text(bytes)];
  });
  const head = ["#", "type", "bytes", "value"].map((name) => paint("dim", name));
  const before = rows.map(([number = "", type = "", length = ""]) => [number, type, length]);
  // What stands before the last column decides how much of it there is room for.
  const [line = ""] = table([["#", "type", "bytes"], ...before], [0, 2]).split("\n");
  const widths = Math.max(
    line.length,
    ...table(before, [0, 2])
      .split("\n")
      .map((each) => each.length),
  );
  const room = isTTY ? Math.max(VALUE_CHARACTERS_MIN, columns - widths - 2) : Number.POSITIVE_INFINITY;
  print(
    table(
      [
        head,
        ...rows.map((row) => [
          ...row.slice(0, 3),
          Number.isFinite(room) ? cut(row[3] as string, room) : (row[3] as string),
        ]),
      ],
      [0, 2],
    ),
  );
}

/** A value in one line, whatever it is. */
function text(bytes: Buffer): string {
  return isUtf8(bytes) ? inOneLine(bytes.toString("utf8")) : `base64:${bytes.toString("base64")}`;
}

/** Cut between two characters as a reader sees them, not inside of one. Those of East Asia are two columns wide. */
export function cut(value: string, columnsMax: number): string {
  if (2 * value.length <= columnsMax) return value;
  let [kept, columns] = ["", 0];
  for (const { segment } of new Intl.Segmenter().segment(value)) {
    const width = WIDE.test(segment) ? 2 : 1;
    if (columns + width > columnsMax) return `${shortened(kept, columns, columnsMax)}…`;
    kept += segment;
    columns += width;
  }
  return value;
}

/** With a column left for the mark that something is missing. */
function shortened(kept: string, columns: number, columnsMax: number): string {
  if (columns < columnsMax) return kept;
  const last = [...new Intl.Segmenter().segment(kept)].at(-1)?.segment ?? "";
  return kept.slice(0, kept.length - last.length);
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/** Of a terminal that does not say how wide it is. */
const COLUMNS = 80;
const VALUE_CHARACTERS_MIN = 20;
