/**
 * Limits that a node names when it refuses what is beyond them: what a command asks for by itself it then asks for
 * again within them. What a user has asked for is refused as it stands.
 */
import { type Answer, type Cluster, jsonOf, type Question } from "./cluster.js";

/** The most that the node takes; undefined unless that is why it refused. */
export function limitTold(answer: Answer, name: string): number | undefined {
  if (answer.status !== 400 && answer.status !== 413) return undefined;
  const { limits } = jsonOf(answer) as { limits?: Readonly<Record<string, unknown>> };
  const value = limits?.[name];
  return typeof value === "number" && value >= 1 ? value : undefined;
}

const PAGE_ITEMS = 1000;

/** Pages of as many items as a node answers at once. */
export class Pages {
  private itemsMax = PAGE_ITEMS;

  constructor(private readonly limitName: "listKeysMax" | "rangeItemsMax") {}

  async ask(cluster: Cluster, items: number, question: (limit: string) => Question): Promise<Answer> {
    const asked = Math.min(items, this.itemsMax);
    const answer = await cluster.ask(question(String(asked)));
    const told = limitTold(answer, this.limitName);
    if (told === undefined || told >= asked) return answer;
    this.itemsMax = told;
    return this.ask(cluster, items, question);
  }
}
