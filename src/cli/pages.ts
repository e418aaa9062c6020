/**
 * What comes in pages: the keys of a bucket, the cells of a key. Each page is printed before the next is asked for, as
 * all of them may be more than fits in memory. What ends in the middle says how to go on.
 */
import { once } from "node:events";
import { type Answer, type Cluster, jsonOf, problemFailure, type Question } from "./cluster.js";
import { countOf } from "./count.js";
import { CommandFailure, EXIT, type ExitCode } from "./exit.js";
import { limitTold } from "./node-limits.js";
import { say } from "./terminal.js";

export interface Listing<Item> {
  /** What a page holds, and by which name. */
  readonly items: "keys" | "cells";
  /** Of a node's limits, the one that says how many it answers at once. */
  readonly limitName: "listKeysMax" | "rangeItemsMax";
  /** `--limit`. */
  readonly limit: string | undefined;
  /** Where the first page begins; undefined: with the first of all. */
  readonly from: string | undefined;
  question(from: string | undefined, limit: string): Question;
  lineOf(item: Item): string;
  /** The option by which the same command goes on there. */
  wayOn(next: string): string;
}

interface Page<Item> {
  readonly items: readonly Item[];
  readonly next: string | undefined;
}

const PAGE_ITEMS = 1000;

export async function printPages<Item>(cluster: Cluster, listing: Listing<Item>): Promise<ExitCode> {
  const pages = new Pages(cluster, listing);
  let left = limitOf(listing);
  let next: string | undefined;
  try {
    do {
      const page = await pages.ask(next ?? listing.from, left);
      await printLines(page.items.map(listing.lineOf));
      left -= page.items.length;
      next = page.next;
    } while (next !== undefined && left > 0);
  } catch (error) {
    if (error instanceof CommandFailure && next !== undefined) say(`go on with ${listing.wayOn(next)}`);
    throw error;
  }
  if (next !== undefined) say(`there may be more: go on with ${listing.wayOn(next)}`);
  return EXIT.ok;
}

function limitOf({ limit }: Pick<Listing<never>, "limit">): number {
  return limit === undefined ? Number.POSITIVE_INFINITY : countOf("--limit", limit);
}

/** As large as the node lets them be. */
class Pages<Item> {
  private itemsMax = PAGE_ITEMS;

  constructor(
    private readonly cluster: Cluster,
    private readonly listing: Listing<Item>,
  ) {}

  async ask(from: string | undefined, items: number): Promise<Page<Item>> {
    const asked = Math.min(items, this.itemsMax);
    const answer = await this.cluster.ask(this.listing.question(from, String(asked)));
    const told = limitTold(answer, this.listing.limitName);
    if (told === undefined || told >= asked) return this.pageOf(answer);
    this.itemsMax = told;
    return this.ask(from, items);
  }

  private pageOf(answer: Answer): Page<Item> {
    if (answer.status !== 200) throw problemFailure(answer);
    const { items: name } = this.listing;
    const { [name]: items, next } = jsonOf(answer) as { next?: string | null } & Partial<Record<typeof name, Item[]>>;
    if (Array.isArray(items) && next !== undefined) return { items, next: next ?? undefined };
    throw new CommandFailure(EXIT.failure, `${answer.url} answered no page of ${name}: is it a murmur node?`);
  }
}

/** Waits for a slow reader. */
async function printLines(lines: readonly string[]): Promise<void> {
  if (!process.stdout.write(lines.map((line) => `${line}\n`).join(""))) await once(process.stdout, "drain");
}
