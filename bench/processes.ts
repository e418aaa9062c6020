/**
 * What other processes cost, as /proc tells: CPU time over all their threads,
 * and resident memory. Undefined where there is no /proc.
 */
import { readdirSync, readFileSync } from "node:fs";

/** Linux counts in hundredths of a second towards programs, whatever the kernel's own clock. */
const MICROS_PER_TICK = 10_000;
const KIB_PER_MIB = 1024;
/** Positions behind the name of the command, which may hold anything. */
const [USER_TICKS, SYSTEM_TICKS] = [11, 12];

/** CPU that these processes have used so far, in microseconds; undefined when one cannot be asked. */
export function cpuMicros(pids: readonly (number | undefined)[]): number | undefined {
  let ticks = 0;
  for (const pid of pids) {
    const stat = pid === undefined ? undefined : read(`/proc/${pid}/stat`);
    if (stat === undefined) return undefined;
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS]);
  }
  return ticks * MICROS_PER_TICK;
}

/** Memory of a process that is in RAM now. */
export function residentMib(pid: number | undefined): number | undefined {
  const kib = pid === undefined ? undefined : /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`) ?? "")?.[1];
  return kib === undefined ? undefined : Number(kib) / KIB_PER_MIB;
}

/** The process whose command line has all these words. */
export function pidOf(words: readonly string[]): number | undefined {
  const isIt = (name: string) => {
    const line = /^\d+$/.test(name) ? read(`/proc/${name}/cmdline`)?.split("\0") : undefined;
    return line !== undefined && words.every((word) => line.includes(word));
  };
  const name = names("/proc").find(isIt);
  return name === undefined ? undefined : Number(name);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
