/**
 * `murmur config check`: nothing but reading the file. The mistakes are the
 * answer here, so they are data; exit code 2 says that there are some.
 */
import { loadClusterFile } from "../real/cluster-file.js";
import { mistakeLine } from "../real/cluster-yaml.js";
import { configPath } from "./config.js";
import { EXIT, type ExitCode } from "./exit.js";
import { grouped, print, printJson } from "./terminal.js";

export function configCheck(file: string | undefined, options: { config?: string; json?: boolean }): ExitCode {
  const path = configPath(file ?? options.config);
  const result = loadClusterFile(path);
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
