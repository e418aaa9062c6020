/**
 * What a client may hold ranges to: every cell that its level must meet is told, in order and within the bounds, unless
 * a delete, or a value that was to expire, may be above it. A page that ends early says where, and all before that counts.
 *
 * Each cell is a register, and the checker of registers (checker.ts) knows what must be met of it.
 */
import { compareBytes } from "../base/bytes.js";
import type { Hedge } from "../cluster-config.js";
import type { RangeOutcome, RangeRequest } from "../coordinator/range.js";
import { isCell, keyOf, ROW_BUCKET, rowOfCell, sortOfCell } from "./cells.js";
import type { Checker, Ticket } from "./checker.js";
import type { SimCluster } from "./cluster.js";
import type { RangeReading, Script } from "./script.js";

export const RANGE_CUT = "a range was cut";
export const RANGE_GAP = "a range passed over a cell that is gone";

export type Page = Extract<RangeOutcome, { ok: true }>;

/** What a page is asked for. */
export interface PageAsked extends Pick<RangeReading, "key" | "level" | "cellsMax"> {
  readonly name: string;
  readonly from: Uint8Array | undefined;
  readonly to: Uint8Array | undefined;
  readonly mend: boolean;
  readonly datacenter: string | undefined;
}

const LAST_CELLS_MAX = 5;

export class RowChecker {
  /** By row: its cells, in the order of their sort keys. */
  private readonly rows = new Map<number, number[]>();

  constructor(
    { steps }: Pick<Script, "steps">,
    private readonly checker: Checker,
    private readonly noted: Set<string>,
  ) {
    const cells = new Set(steps.flatMap(({ deed }) => ("operation" in deed ? deed.operation.key : [])));
    for (const cell of [...cells].filter(isCell)) this.rows.set(rowOfCell(cell), [...this.cellsOf(cell), cell]);
    for (const row of this.rows.values()) row.sort((a, b) => compareBytes(sortOfCell(a), sortOfCell(b)));
  }

  /** A range begins; to be called with its page. `judge`: see the checker's `onRead`. */
  begin(asked: PageAsked): (page: Page, judge: string | undefined) => void {
    const { name, level, from, to, datacenter } = asked;
    const cells = this.cellsOf(asked.key).filter((cell) => isBetween(sortOfCell(cell), from, to));
    const tickets = cells.map((cell) => this.checker.begin(cell, `${name} cell ${cell}`, level, datacenter));
    return (page, judge) => this.onPage(asked, tickets, page, judge);
  }

  /** Reads each row at ALL, page after page; the first failure, if any. */
  readAll(cluster: SimCluster, hedge: Hedge, deadlineMs: number): string | undefined {
    for (const key of this.rows.keys()) {
      const node = cluster.ids[key % cluster.ids.length] as string;
      const rest = { to: undefined, mend: true, level: "ALL", cellsMax: LAST_CELLS_MAX } as const;
      let from: Uint8Array | undefined;
      do {
        const name = `last range of row ${key} at ${node}`;
        const onPage = this.begin({ ...rest, key, name, from, datacenter: undefined });
        const outcome = cluster.range(node, {
          ...rest,
          from,
          ...{ bucket: ROW_BUCKET, key: keyOf({ key }), deadlineMs, hedge },
        });
        if (!outcome.ok) return `${name}: ${outcome.failure.kind}: ${outcome.failure.detail}`;
        onPage(outcome, undefined);
        from = outcome.next;
      } while (from !== undefined);
    }
    return undefined;
  }

  private onPage(asked: PageAsked, tickets: readonly Ticket[], page: Page, judge: string | undefined): void {
    this.checkShape(asked, page);
    const shown = new Map(page.cells.map(({ sort, view }) => [textOf(sort), view]));
    for (const ticket of tickets) {
      const sort = sortOfCell(ticket.key);
      const view = shown.get(textOf(sort));
      shown.delete(textOf(sort));
      if (view !== undefined) this.checker.onRead(ticket, view, asked.mend, judge);
      else if (isBetween(sort, undefined, page.next) && this.checker.onAbsent(ticket)) this.noted.add(RANGE_GAP);
    }
    for (const sort of shown.keys()) this.violate(asked, `read a cell that nobody wrote: ${sort}`);
  }

  private checkShape(asked: PageAsked, { cells, next }: Page): void {
    if (cells.length > asked.cellsMax)
      this.violate(asked, `${cells.length} cells, and ${asked.cellsMax} were asked for`);
    let last: Uint8Array | undefined;
    for (const { sort } of cells) {
      if (last !== undefined && compareBytes(last, sort) >= 0)
        this.violate(asked, `cells out of order: ${textOf(sort)}`);
      if (!isBetween(sort, asked.from, asked.to)) this.violate(asked, `a cell outside of the range: ${textOf(sort)}`);
      last = sort;
    }
    if (next === undefined) return;
    this.noted.add(RANGE_CUT);
    if (last !== undefined && compareBytes(last, next) >= 0) this.violate(asked, "goes on at what it told already");
    if (asked.from !== undefined && compareBytes(asked.from, next) >= 0) this.violate(asked, "does not go on");
  }

  private violate({ name }: PageAsked, what: string): void {
    this.checker.violations.push(`${name}: ${what}`);
  }

  private cellsOf(key: number): readonly number[] {
    return this.rows.get(rowOfCell(key)) ?? [];
  }
}

/** As it is put to a node. */
export function requestOf(asked: PageAsked, { deadlineMs }: RangeReading, hedge: Hedge): RangeRequest {
  const { key, from, to, level, cellsMax, mend } = asked;
  return { ...{ bucket: ROW_BUCKET, key: keyOf({ key }), from, to, level, cellsMax, mend }, deadlineMs, hedge };
}

function isBetween(sort: Uint8Array, from: Uint8Array | undefined, to: Uint8Array | undefined): boolean {
  if (from !== undefined && compareBytes(sort, from) < 0) return false;
  return to === undefined || compareBytes(sort, to) < 0;
}

function textOf(sort: Uint8Array): string {
  return Buffer.from(sort).toString();
}
