/**
 * `murmur config check`: nothing but reading the file, and loading the merge functions that it names. The mistakes are
 * the answer here, so they are data; exit code 2 says that there are some.
 */
import type { ClusterConfig } from "../cluster-config.js";
import { loadClusterFile, mergeMistakes } from "../real/cluster-file.js";
import { type ConfigMistake, mistakeLine } from "../real/cluster-yaml.js";
import { type MergeRefusal, Mergers } from "../real/mergers.js";
import { configPath } from "./config.js";
import { EXIT, type ExitCode, usage } from "./exit.js";
import { grouped, print, printJson } from "./terminal.js";

export async function configCheck(
  file: string | undefined,
  options: { config?: string; json?: boolean },
): Promise<ExitCode> {
  if (file !== undefined && options.config !== undefined) throw usage("give FILE or --config, not both");
  const path = configPath(file ?? options.config);
  const result = await checked(path);
  if (Array.isArray(result)) {
    if (options.json) printJson({ ok: false, mistakes: result });
    else print(result.map(mistakeLine).join("\n"));
    return EXIT.usage;
  }
  const { cluster, nodes, partitions, durability, buckets, data } = result;
  if (options.json)
    printJson({ ok: true, cluster, nodes: nodes.length, partitions, durability, buckets: [...buckets.keys()] });
  else {
    print(`${path}: OK`);
    print(
      `cluster ${cluster}: ${nodes.length} nodes (${nodes.map(({ id }) => id).join(", ")}), ${grouped(partitions)} partitions`,
    );
    print(
      `durability ${durability}, data below ${data}, buckets: ${[...buckets.keys()].join(", ") || "only the defaults"}`,
    );
  }
  return EXIT.ok;
}

async function checked(path: string): Promise<ClusterConfig | ConfigMistake[]> {
  const config = loadClusterFile(path);
  if (Array.isArray(config)) return config;
  const refusals = await mergeRefusals(config);
  return refusals.length === 0 ? config : mergeMistakes(path, refusals);
}

/** Why a node would not start with its merge functions. */
function mergeRefusals(config: ClusterConfig): Promise<readonly MergeRefusal[]> {
  const silent = { count: () => {}, gauge: () => {}, time: () => {} };
  const mergers = new Mergers(config, {
    limits: config.limits,
    meter: silent,
    log: { info: () => {}, warn: () => {} },
  });
  return new Promise((resolve) => {
    mergers.open((refusals) => {
      mergers.close();
      resolve(refusals);
    });
  });
}
