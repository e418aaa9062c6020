/**
 * The merge functions of all buckets: one thread for each file, however many buckets name it.
 */
import type { ClusterConfig } from "../cluster-config.js";
import type { Content } from "../lattice/lattice.js";
import { Merger, type MergerHost } from "./merger.js";

export class Mergers {
  private readonly byFile = new Map<string, Merger>();

  constructor(
    private readonly config: Pick<ClusterConfig, "buckets" | "defaults">,
    host: MergerHost,
  ) {
    for (const { mergeFile } of [...config.buckets.values(), config.defaults]) {
      if (mergeFile !== undefined) this.byFile.set(mergeFile, new Merger(host, mergeFile));
    }
  }

  /** Starts all threads. `onOpened` comes once, with the first refusal if there is one. */
  open(onOpened: (refusal?: string) => void): void {
    let left = this.byFile.size;
    let firstRefusal: string | undefined;
    if (left === 0) return onOpened();
    for (const merger of this.byFile.values()) {
      merger.open((refusal) => {
        firstRefusal ??= refusal;
        left--;
        if (left === 0) onOpened(firstRefusal);
      });
    }
  }

  /** `onMerged` comes once, perhaps within the call, with undefined when the siblings stay as they are. */
  merge(bucket: string, key: string, contents: readonly Content[], onMerged: (content?: Content) => void): void {
    const { mergeFile } = this.config.buckets.get(bucket) ?? this.config.defaults;
    const merger = mergeFile === undefined ? undefined : this.byFile.get(mergeFile);
    // A stored value is often a view of a whole frame, which would be copied to the thread with it.
    const copies = () => contents.map(({ contentType, value }) => ({ contentType, value: new Uint8Array(value) }));
    if (merger === undefined) onMerged();
    else merger.merge({ bucket, key, contents: copies() }, onMerged);
  }

  close(): void {
    for (const merger of this.byFile.values()) merger.close();
  }
}
