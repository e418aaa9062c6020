/**
 * The merge functions of all buckets: one thread for each file, however many buckets name it.
 */
import type { ClusterConfig } from "../cluster-config.js";
import type { Content } from "../lattice/lattice.js";
import { Merger, type MergerHost } from "./merger.js";

/** A file that is no merge function, and a sentence with the place in it. */
export interface MergeRefusal {
  readonly file: string;
  readonly sentence: string;
}

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

  /** Starts all threads. `onOpened` comes once, with what is refused. */
  open(onOpened: (refusals: readonly MergeRefusal[]) => void): void {
    let left = this.byFile.size;
    const refusals: MergeRefusal[] = [];
    if (left === 0) return onOpened(refusals);
    for (const [file, merger] of this.byFile) {
      merger.open((sentence) => {
        if (sentence !== undefined) refusals.push({ file, sentence });
        left--;
        if (left === 0) onOpened(refusals);
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
