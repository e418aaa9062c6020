/**
 * The layout as a node keeps it: computed at the first start, then held to.
 *
 * Who owns what must not change because somebody edited a file on one machine.
 * So the layout is persisted at the first start, and a cluster file that would
 * give another one refuses to start, naming what differs.
 */
import { MalformedBytes, Writer } from "../base/bytes.js";
import {
  computeLayout,
  decodeLayout,
  describeDifference,
  encodeLayout,
  isRefusal,
  type Layout,
  type LayoutSpec,
} from "../membership/layout.js";
import { type Storage, StorageDamage } from "../ports.js";
import { SPACE } from "../replica/rows.js";

const RECORD_KEY: Uint8Array = new Writer(8).u8(SPACE.self).text("layout").finish();

export type OpenedLayout =
  | { readonly ok: true; readonly layout: Layout }
  | { readonly ok: false; readonly message: string };

/** The stored layout if it is the file's; at the first start the file's, once it is stored. */
export function openLayout(storage: Storage, spec: LayoutSpec, onOpened: (opened: OpenedLayout) => void): void {
  const layout = storedLayout(storage);
  if (layout === "damaged") {
    onOpened({
      ok: false,
      message: "the stored layout is damaged; move the folder away: the node rebuilds from the others",
    });
    return;
  }
  if (layout !== undefined) {
    const difference = describeDifference(layout, spec);
    if (difference === undefined) onOpened({ ok: true, layout });
    else onOpened({ ok: false, message: `the cluster file disagrees with the stored layout: ${difference}` });
    return;
  }
  const first = computeLayout(undefined, spec);
  if (isRefusal(first)) {
    onOpened({ ok: false, message: first.refusal });
    return;
  }
  storage.commit([{ key: RECORD_KEY, value: encodeLayout(first) }], (error) => {
    if (error === undefined) onOpened({ ok: true, layout: first });
    else onOpened({ ok: false, message: `the layout cannot be stored: ${error.detail}` });
  });
  storage.release();
}

function storedLayout(storage: Storage): Layout | "damaged" | undefined {
  try {
    const stored = storage.durable(RECORD_KEY);
    return stored === undefined ? undefined : decodeLayout(stored);
  } catch (error) {
    if (error instanceof StorageDamage || error instanceof MalformedBytes) return "damaged";
    throw error;
  }
}
