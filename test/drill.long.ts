/** The drill of the first page over more records than `npm test` has time for. */
import { test } from "node:test";
import { drill } from "./drill.js";

test("20,000 records: kill -9 half-way through an import, then kill -9 of everybody", async () => {
  await drill({ records: 20_000, say: () => {} });
});
