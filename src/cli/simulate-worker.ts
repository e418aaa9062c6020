/**
 * One of the threads of `murmur simulate`: it is given a seed and answers with the result.
 */
import { parentPort } from "node:worker_threads";
import { replayTwice } from "../sim/replay.js";
import { drawScript } from "../sim/swarm.js";

parentPort?.on("message", (seed: number) => parentPort?.postMessage(replayTwice(drawScript(seed))));
