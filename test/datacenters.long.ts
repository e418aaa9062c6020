/** Two datacenters of real processes, and the way between them cut. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startCluster, type TestCluster } from "../src/testing/start-cluster.js";
import { until } from "./process-cluster.js";

const DC1 = ["a1", "a2", "a3"];
const DC2 = ["b1", "b2", "b3"];
/** For what is not to succeed. */
const BRIEF = "200ms";

let cluster: TestCluster;

before(async () => {
  const nodesOf = (datacenter: string, ids: readonly string[]) => ids.map((id) => ({ id, datacenter }));
  cluster = await startCluster({
    nodes: [...nodesOf("dc1", DC1), ...nodesOf("dc2", DC2)],
    ...{ replication: { dc1: 3, dc2: 3 }, consistency: { read: "LOCAL_QUORUM", write: "LOCAL_QUORUM" } },
    ...{ partitions: 16, limits: { syncIntervalMs: 200, settleMs: 100 } },
  });
});
after(() => cluster.stop());

interface Answered {
  readonly status: number;
  readonly text: string;
}

async function call(method: "GET" | "PUT", id: string, key: string, query: string, value?: string): Promise<Answered> {
  const url = `${cluster.node(id).url}/v1/buckets/b/keys/${key}?${query}`;
  const response = await fetch(url, { method, ...(value === undefined ? {} : { body: value }) });
  return { status: response.status, text: await response.text() };
}

async function put(id: string, key: string, value: string, query = ""): Promise<void> {
  const { status, text } = await call("PUT", id, key, query, value);
  assert.equal(status, 204, text);
}

async function get(id: string, key: string, query = ""): Promise<string> {
  return (await call("GET", id, key, query)).text;
}

/** Waits until a node takes as many others for down. */
async function sees(id: string, down: number): Promise<void> {
  const look = async (): Promise<{ nodes: { state: string }[] }> =>
    (await fetch(`${cluster.node(id).url}/v1/cluster`)).json() as Promise<{ nodes: { state: string }[] }>;
  await until(look, ({ nodes }) => nodes.filter(({ state }) => state === "down").length === down);
}

/** That it is refused, with counts. */
async function refusal(method: "GET" | "PUT", id: string, level: string): Promise<string> {
  const isWrite = method === "PUT";
  const query = `${isWrite ? "w" : "r"}=${level}&timeout=${BRIEF}`;
  const { status, text } = await call(method, id, "refused", query, isWrite ? "too few" : undefined);
  const { code, required, alive } = JSON.parse(text);
  return `${status} ${code} ${alive} of ${required}`;
}

test("what is written at EACH_QUORUM is read at LOCAL_QUORUM in either datacenter", async () => {
  for (const [round, id] of ["a1", "b2", "a3"].entries()) {
    await put(id, "each", `round ${round}`, "w=EACH_QUORUM");
    for (const other of [...DC1, ...DC2]) assert.equal(await get(other, "each"), `round ${round}`);
  }
});

test("both sides of a cut serve LOCAL_QUORUM and refuse what needs the other, and are one after it", async () => {
  await cluster.partition(DC1, DC2);
  await put("a1", "left", "in dc1");
  await put("b1", "right", "in dc2");
  await put("a2", "both", "in dc1");
  await put("b2", "both", "in dc2, later");
  assert.deepEqual([await get("a3", "left"), await get("b3", "right")], ["in dc1", "in dc2"]);
  assert.deepEqual([await get("a3", "both"), await get("b3", "both")], ["in dc1", "in dc2, later"]);
  for (const id of ["a1", "b1"]) {
    await sees(id, 3);
    assert.equal(await refusal("PUT", id, "EACH_QUORUM"), "503 unavailable 2 of 4");
    assert.equal(await refusal("GET", id, "EACH_QUORUM"), "503 unavailable 2 of 4");
    assert.equal(await refusal("PUT", id, "QUORUM"), "503 unavailable 3 of 4");
  }
  await cluster.heal();
  for (const [key, value] of Object.entries({ left: "in dc1", right: "in dc2", both: "in dc2, later" })) {
    for (const id of [...DC1, ...DC2]) {
      const text = await until(
        () => get(id, key, "r=LOCAL_ONE"),
        (found) => found === value,
      );
      assert.equal(text, value);
    }
  }
});
