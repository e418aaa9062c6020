/**
 * Salvage: what is done about a store that is broken as such.
 *
 * When a flipped bit has broken the order of SQLite's tree, a search for one row
 * may give another, or none where there is one: no row can be healed singly,
 * and "absent" means nothing. So the node begins a new life at once, in which it does
 * not vote; the storage puts all rows that it can still read into a new file and
 * takes that in the place of the old one; the sums are made from it; a second new life
 * begins; and the peers make good what is missing, as for a wiped owner.
 *
 * A disk that breaks its store again so soon is not worth the work: the node
 * then goes on as it is, says so, and votes with what its peers give it.
 */

import type { Limits } from "../config.js";
import type { World } from "../ports.js";
import type { Merkle } from "../replica/merkle.js";
import type { Mint } from "../replica/mint.js";
import type { Votes } from "../replica/votes.js";

interface SalvageParts extends Pick<World, "clock" | "storage" | "meter" | "log"> {
  readonly limits: Pick<Limits, "salvageIntervalMs">;
  readonly mint: Mint;
  readonly votes: Votes;
  readonly merkle: Merkle;
  /** All rows lie anew, and the sums speak of them. */
  readonly onSalvaged: () => void;
}

export class Salvage {
  private notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly parts: SalvageParts) {}

  /** Somebody found that rows are not where their keys are. */
  begin(): void {
    const { clock, limits, log, mint, storage, votes } = this.parts;
    const nowMs = clock.nowMs();
    if (nowMs < this.notBeforeMs) return;
    this.notBeforeMs = nowMs + limits.salvageIntervalMs;
    log.warn("the keys of the store are out of order: all rows that can be read are put into a new file");
    votes.isHeld = true;
    mint.renew("its store is broken, and is salvaged");
    // A file that has lost rows must never be found with a life that voted.
    storage.commit([], (error) => {
      if (error === undefined) storage.salvage((rows) => this.onSalvaged(rows));
      else this.onSalvaged(undefined);
    });
  }

  private onSalvaged(rows: number | undefined): void {
    const { log, merkle, meter, mint, votes, onSalvaged } = this.parts;
    meter.count("murmur_salvages_total", { end: rows === undefined ? "failed" : "complete" });
    if (rows === undefined) {
      votes.isHeld = false;
      log.warn("the store could not be salvaged: stop this node, move its folder away and start it: it rebuilds");
      return;
    }
    log.info("the store was salvaged; what is missing comes from the other owners", { rows });
    merkle.rebuild(() => {
      votes.isHeld = false;
      // What was compared meanwhile says nothing about the new file.
      mint.renew("its store was salvaged");
      onSalvaged();
    });
  }
}
