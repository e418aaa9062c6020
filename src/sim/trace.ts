/**
 * What happened, line by line: for the eye when asked for, and always as one hash.
 *
 * Two runs of a seed must give one hash; so whatever depends on anything but the
 * seed is found out by running twice.
 */

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** Any other odd number: a second, independent half. */
const OTHER_PRIME = 0x85ebca6b;

export class Trace {
  private high = FNV_OFFSET;
  private low = ~FNV_OFFSET;

  /** `say` is given each line as it happens. */
  constructor(private readonly say?: (line: string) => void) {}

  add(atMs: number, line: string): void {
    const text = `${atMs.toFixed(3)} ${line}`;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      this.high = Math.imul(this.high ^ code, FNV_PRIME);
      this.low = Math.imul(this.low ^ code, OTHER_PRIME) + index;
    }
    this.say?.(text);
  }

  /** 16 hexadecimal digits. */
  get hash(): string {
    return [this.high, this.low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }
}
