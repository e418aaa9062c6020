/**
 * The most frequent names of a stream, in bounded memory: Space-Saving (Metwally,
 * Agrawal, El Abbadi 2005).
 *
 * A name that is not known when all places are taken takes the place of the
 * rarest one, and its count: so a count is never too small, and too large by
 * its `error` at most, which is what it took over. With m places after n
 * events, every name that came more than n/m times has a place, and no error is larger than n/m.
 *
 * Places stand in the order of their counts. To count one more, a place is changed
 * with the first of those that have the same count: a constant number of steps. Pure.
 */
import { assert } from "./assert.js";

export interface Hitter {
  readonly name: string;
  /** How often it came, at the most. */
  readonly count: number;
  /** How much of that may have been others. */
  readonly error: number;
  /** Of `count - error`, which it came for certain, those that were marked. */
  readonly marked: number;
}

interface Place {
  name: string;
  count: number;
  error: number;
  marked: number;
  index: number;
}

export class HeavyHitters {
  /** The largest count first. */
  private readonly places: Place[] = [];
  private readonly byName = new Map<string, Place>();
  /** Where those of each count begin. */
  private readonly firstOf = new Map<number, number>();

  constructor(private readonly placesMax: number) {
    assert(placesMax > 0, "a count needs a place");
  }

  /** One more of this name, marked or not. */
  record(name: string, isMarked: boolean): void {
    const place = this.byName.get(name) ?? this.take(name);
    if (isMarked) place.marked++;
    this.raise(place);
  }

  /** How often this name came for certain. */
  leastOf(name: string): number {
    const place = this.byName.get(name);
    return place === undefined ? 0 : place.count - place.error;
  }

  /** The names that came most often, the most frequent first. */
  top(namesMax: number): Hitter[] {
    return this.places.slice(0, namesMax).map(({ name, count, error, marked }) => ({ name, count, error, marked }));
  }

  private take(name: string): Place {
    const index = this.places.length;
    if (index < this.placesMax) {
      const place = { name, count: 0, error: 0, marked: 0, index };
      this.places.push(place);
      this.byName.set(name, place);
      // Nobody else has none: whoever took a place before was counted at once.
      this.firstOf.set(0, index);
      return place;
    }
    const place = this.places[index - 1] as Place;
    this.byName.delete(place.name);
    this.byName.set(name, place);
    place.name = name;
    place.error = place.count;
    place.marked = 0;
    return place;
  }

  private raise(place: Place): void {
    const { count, index } = place;
    const first = this.firstOf.get(count) as number;
    const other = this.places[first] as Place;
    this.places[first] = place;
    this.places[index] = other;
    other.index = index;
    place.index = first;
    if (this.places[first + 1]?.count === count) this.firstOf.set(count, first + 1);
    else this.firstOf.delete(count);
    place.count++;
    if (this.places[first - 1]?.count !== place.count) this.firstOf.set(place.count, first);
  }
}
