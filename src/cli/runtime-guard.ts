/**
 * What must be so before a node starts: a Node.js that is tested, and a
 * better-sqlite3 whose binary fits it. Otherwise one sentence instead of a
 * stack, or of a segmentation fault.
 */
import { createRequire } from "node:module";

/** Least minor version by major version; every later major version will do. */
const LEAST_MINOR: Readonly<Record<number, number>> = { 20: 19, 22: 14, 23: 6 };
const LATEST_LISTED = 23;

/** What stands in the way of running a node here, or undefined. */
export async function runtimeTrouble(nodeVersion = process.versions.node): Promise<string | undefined> {
  const [major = 0, minor = 0] = nodeVersion.split(".").map(Number);
  if (!isSupported(major, minor)) {
    return `Node.js ${nodeVersion} is not supported; install 20.19 or later, 22.14 or later, 23.6 or later, or 24`;
  }
  const { version } = createRequire(import.meta.url)("better-sqlite3/package.json") as { version: string };
  if (major === 20 && Number.parseInt(version, 10) >= 13) {
    return `better-sqlite3 ${version} crashes on Node.js 20; install the packages anew with this Node.js, which picks version 12`;
  }
  try {
    const { default: Database } = await import("better-sqlite3");
    new Database(":memory:").close();
    return undefined;
  } catch (error) {
    const [reason] = (error as Error).message.split("\n");
    const remedy = "run `npm rebuild better-sqlite3` (it downloads a binary, or compiles one in about a minute)";
    return `better-sqlite3 ${version} has no binary that fits Node.js ${nodeVersion}: ${reason}; ${remedy}`;
  }
}

function isSupported(major: number, minor: number): boolean {
  const leastMinor = LEAST_MINOR[major];
  return leastMinor === undefined ? major > LATEST_LISTED : minor >= leastMinor;
}
