/** The layout on disk: written once, held to, and never guessed when it is damaged. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LayoutSpec } from "../src/membership/layout.js";
import { type OpenedLayout, openLayout } from "../src/real/layout-file.js";
import { SimClock } from "../src/sim/clock.js";
import { SimDisk } from "../src/sim/disk.js";
import { SimStorage } from "../src/sim/storage.js";

const members = ["n1", "n2", "n3"].map((id) => ({ id, rack: id, datacenter: "dc1", capacity: 1 }));
const SPEC: LayoutSpec = { partitions: 16, members, placements: [{ replication: 3 }] };

class Folder {
  readonly clock = new SimClock();
  readonly disk = new SimDisk();
  private storage: SimStorage | undefined;

  open(spec = SPEC): OpenedLayout {
    this.storage?.crash();
    this.storage = new SimStorage({ clock: this.clock, disk: this.disk, commitMs: 1 });
    let opened: OpenedLayout | undefined;
    openLayout(this.storage, spec, (result) => {
      opened = result;
    });
    while (opened === undefined) assert.ok(this.clock.step());
    return opened;
  }

  /** Stores each value of the node's own records anew, changed. */
  change(by: (value: Uint8Array) => Uint8Array): void {
    const rows = this.storage?.scan(Uint8Array.of(0), Uint8Array.of(1), 9) ?? [];
    assert.equal(rows.length, 1);
    for (const { key, value } of rows) this.storage?.commit([{ key, value: by(value) }], () => {});
    this.storage?.release();
    this.clock.runUntil(this.clock.nowMs() + 10);
  }
}

test("the layout of the first start is the layout of every later one", () => {
  const folder = new Folder();
  const first = folder.open();
  const second = folder.open();
  assert.ok(first.ok && second.ok);
  assert.deepEqual(second.layout, first.layout);
});

test("a file that would give another layout is told what differs", () => {
  const folder = new Folder();
  folder.open();
  const opened = folder.open({ ...SPEC, placements: [{ replication: 2 }] });
  assert.ok(!opened.ok);
  assert.match(opened.message, /disagrees with the stored layout: replication/);
});

test("an impossible layout is a sentence", () => {
  const opened = new Folder().open({ ...SPEC, placements: [{ replication: 4 }] });
  assert.ok(!opened.ok);
  assert.match(opened.message, /4/);
});

test("a damaged layout starts nothing, and says what to do", () => {
  const folder = new Folder();
  folder.open();
  folder.change((value) => value.map((byte, index) => (index === 40 ? byte ^ 1 : byte)));
  const opened = folder.open();
  assert.ok(!opened.ok);
  assert.match(opened.message, /damaged; move the folder away/);
});

test("a layout that cannot be stored is not used", () => {
  const folder = new Folder();
  folder.disk.fail(1, "full");
  const opened = folder.open();
  assert.ok(!opened.ok);
  assert.match(opened.message, /cannot be stored/);
  assert.ok(folder.open().ok);
});
