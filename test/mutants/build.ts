/**
 * Builds with a defect: copies of the compiled source in temporary folders.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { edited, type Mutant } from "./mutant.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** The folder that holds the sound build's `src`. */
export const SOUND_BUILD = join(ROOT, "dist");

/** The changed files of a mutant by name, with their new text. Throws when the mutant no longer applies. */
export function changedFiles({ name, edits }: Mutant): Map<string, string> {
  const changed = new Map<string, string>();
  for (const edit of edits) {
    const before = changed.get(edit.file) ?? readFileSync(join(SOUND_BUILD, "src", edit.file), "utf8");
    try {
      changed.set(edit.file, edited(before, [edit]));
    } catch (error) {
      throw new Error(`the mutant ${name} does not apply any more: ${(error as Error).message}`);
    }
  }
  return changed;
}

/** Makes a copy of the build with the mutant's defect; returns its folder. Remove it with `removeBuild`. */
export function makeBuild(mutant: Mutant): string {
  const changed = changedFiles(mutant);
  const folder = mkdtempSync(join(tmpdir(), "murmur-mutant-"));
  cpSync(join(SOUND_BUILD, "src"), join(folder, "src"), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"), "junction");
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  for (const [file, text] of changed) writeFileSync(join(folder, "src", file), text);
  return folder;
}

export function removeBuild(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
