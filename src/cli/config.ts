/**
 * Which cluster.yaml a command means: `--config`, else MURMUR_CONFIG, else the
 * one of this folder. A file with mistakes ends the command with all of them.
 */
import { existsSync } from "node:fs";
import type { ClusterConfig } from "../cluster-config.js";
import { loadClusterFile } from "../real/cluster-file.js";
import { mistakeLine } from "../real/cluster-yaml.js";
import { CommandFailure, EXIT, usage } from "./exit.js";

const DEFAULT_FILE = "cluster.yaml";

export function configPath(given: string | undefined): string {
  const path = given ?? (process.env.MURMUR_CONFIG || undefined);
  if (path !== undefined) return path;
  if (existsSync(DEFAULT_FILE)) return DEFAULT_FILE;
  throw usage(`no ${DEFAULT_FILE} in this folder; name one with --config FILE or MURMUR_CONFIG`);
}

export function loadConfig(path: string): ClusterConfig {
  const result = loadClusterFile(path);
  if (!Array.isArray(result)) return result;
  const lines = ["the cluster file does not make sense", ...result.map(mistakeLine)];
  throw new CommandFailure(EXIT.usage, lines.join("\n"), { ok: false, mistakes: result });
}
