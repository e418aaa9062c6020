/**
 * The port Random of a simulation: a seed gives the same weather again, and to
 * every part a stream of its own.
 */
import { SeededRandom } from "../base/seeded.js";
import type { Random } from "../ports.js";

export class SimRandom extends SeededRandom implements Random {}
