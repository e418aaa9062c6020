/**
 * The one table, `rows`, through one connection to it.
 *
 * A connection always stands in a transaction: taking a snapshot costs several
 * locks of the file, reading within one costs none. `open` moves it to the
 * newest state. What SQLite cannot answer is `StorageDamage`, never "absent".
 */
import { type Row, StorageDamage, type StorageError, type Write } from "../ports.js";
import { commitErrorOf, damageOf } from "./storage-errors.js";
import type { Connection } from "./storage-open.js";

export class Table {
  private readonly getValue;
  private readonly getRange;
  private readonly put;
  private readonly remove;
  private readonly touch;
  private readonly begin;
  private readonly beginWrite;
  private readonly commit;
  private readonly rollback;
  private readonly logState;

  constructor(readonly connection: Connection) {
    this.getValue = connection.prepare<[Uint8Array], Uint8Array>("SELECT value FROM rows WHERE key = ?").pluck();
    this.getRange = connection.prepare<[Uint8Array, Uint8Array, number], Row>(
      "SELECT key, value FROM rows WHERE key >= ? AND key < ? ORDER BY key LIMIT ?",
    );
    this.put = connection.prepare<[Uint8Array, Uint8Array]>("REPLACE INTO rows (key, value) VALUES (?, ?)");
    this.remove = connection.prepare<[Uint8Array]>("DELETE FROM rows WHERE key = ?");
    this.touch = connection.prepare<[]>("SELECT 1 FROM sqlite_schema");
    this.begin = connection.prepare<[]>("BEGIN");
    this.beginWrite = connection.prepare<[]>("BEGIN IMMEDIATE");
    this.commit = connection.prepare<[]>("COMMIT");
    this.rollback = connection.prepare<[]>("ROLLBACK");
    this.logState = connection.prepare<[], [number, number, number]>("PRAGMA wal_checkpoint(NOOP)").raw();
  }

  /** A copy of the value, or undefined when there is no such row. Throws `StorageDamage`, as `scan` does. */
  get(key: Uint8Array): Uint8Array | undefined {
    try {
      return soundBytes(this.getValue.get(key));
    } catch (error) {
      throw damageOf(error);
    }
  }

  /** The rows with `from` <= key < `to` in order of unsigned bytes, at most `limit`. */
  scan(from: Uint8Array, to: Uint8Array, rowsMax: number, bytesMax: number): Row[] {
    try {
      const rows: Row[] = [];
      let bytes = 0;
      for (const row of this.getRange.iterate(from, to, rowsMax)) {
        soundBytes(row.key);
        soundBytes(row.value);
        rows.push(row);
        bytes += row.value.length;
        if (bytes >= bytesMax) break;
      }
      return rows;
    } catch (error) {
      throw damageOf(error);
    }
  }

  /** Takes a snapshot of the newest state; all reads are of it until `close` or the next `open`. */
  open(): void {
    this.close();
    this.begin.run();
    this.touch.get();
  }

  /** Lets the snapshot go, so that the log may be folded past it. Undoes what was written and not committed. */
  close(): void {
    // COMMIT would fail again with the error of any read that has found damage.
    if (this.connection.inTransaction) this.rollback.run();
  }

  /**
   * Writes the rows in one transaction, all or nothing, and stands in the state after it.
   * The bytes are then with the operating system, and on the disk only if the connection syncs.
   */
  apply(rows: Iterable<Write>): StorageError | undefined {
    this.close();
    try {
      this.beginWrite.run();
      for (const { key, value } of rows) {
        if (value === undefined) this.remove.run(key);
        else this.put.run(key, value);
      }
      this.commit.run();
      return undefined;
    } catch (error) {
      this.close();
      return commitErrorOf(error);
    }
  }

  /** How many frames the log holds. Only between snapshots. */
  logFrames(): number {
    return this.logState.get()?.[1] ?? 0;
  }
}

/** A bit of a row's header makes text or a number of its bytes. */
function soundBytes<Bytes extends Uint8Array | undefined>(found: Bytes): Bytes {
  if (found !== undefined && !(found instanceof Uint8Array)) throw new StorageDamage("a stored row is of another type");
  return found;
}
