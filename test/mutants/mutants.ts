/**
 * All mutants, in the order of the docs.
 */
import { ASK_MUTANTS, DATACENTER_MUTANTS, READ_MUTANTS, WRITE_MUTANTS } from "./coordinator-mutants.js";
import { HINT_MUTANTS, REAPER_MUTANTS } from "./forgetting-mutants.js";
import { LATTICE_MUTANTS, MINTING_MUTANTS } from "./minted-mutants.js";
import type { Mutant } from "./mutant.js";
import { DURABILITY_MUTANTS, MERGE_MUTANTS, STAMP_MUTANTS, VOTE_MUTANTS } from "./replica-mutants.js";
import { HEAL_MUTANTS, PEER_MUTANTS, SYNC_MUTANTS } from "./upkeep-mutants.js";

export const MUTANTS: readonly Mutant[] = [
  ...MERGE_MUTANTS,
  ...DURABILITY_MUTANTS,
  ...VOTE_MUTANTS,
  ...STAMP_MUTANTS,
  ...READ_MUTANTS,
  ...WRITE_MUTANTS,
  ...DATACENTER_MUTANTS,
  ...ASK_MUTANTS,
  ...SYNC_MUTANTS,
  ...HEAL_MUTANTS,
  ...PEER_MUTANTS,
  ...HINT_MUTANTS,
  ...REAPER_MUTANTS,
  ...LATTICE_MUTANTS,
  ...MINTING_MUTANTS,
];
