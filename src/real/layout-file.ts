/**
 * The layout as a node keeps it: computed at the first start, then held to.
 *
 * Who owns what must not change because somebody edited a file on one machine.
 * So the layout is persisted at the first start, and a cluster file that would
 * give another one refuses to start, naming what differs.
 */
import { Writer } from "../base/bytes.js";
import {
  computeLayout,
  decodeLayout,
  describeDifference,
  encodeLayout,
  isRefusal,
  type Layout,
  type LayoutSpec,
} from "../membership/layout.js";
import type { Storage } from "../ports.js";
import { SPACE } from "../replica/rows.js";

const RECORD_KEY: Uint8Array = new Writer(8).u8(SPACE.self).text("layout").finish();

export type OpenedLayout =
  | { readonly ok: true; readonly layout: Layout }
  | { readonly ok: false; readonly message: string };

/** The stored layout if it is the file's; at the first start the file's, once it is stored. */
export function openLayout(storage: Storage, spec: LayoutSpec, onOpened: (opened: OpenedLayout) => void): void {
  const stored = storage.durable(RECORD_KEY);
  if (stored !== undefined) {
    const layout = decodeLayout(stored);
    const difference = describeDifference(layout, spec);
    if (difference === undefined) onOpened({ ok: true, layout });
    else onOpened({ ok: false, message: `the cluster file disagrees with the stored layout: ${difference}` });
    return;
  }
  const layout = computeLayout(undefined, spec);
  if (isRefusal(layout)) {
    onOpened({ ok: false, message: layout.refusal });
    return;
  }
  storage.commit([{ key: RECORD_KEY, value: encodeLayout(layout) }], (error) => {
    if (error === undefined) onOpened({ ok: true, layout });
    else onOpened({ ok: false, message: `the layout cannot be stored: ${error.detail}` });
  });
  storage.release();
}
