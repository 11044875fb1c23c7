// One BullMQ worker process; jobs acknowledged and results stored by its Lua scripts.
import { Worker } from "bullmq";
import { connection, name } from "./connection.js";

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const tasks = {
  add: async ({ x, y }) => x + y,
  nap: async ({ steps, seconds }) => {
    for (let i = 0; i < steps; i += 1) await pause(seconds);
    return steps;
  },
};

const worker = new Worker(name, (job) => tasks[job.name](job.data), {
  connection,
  concurrency: Number(process.env.BENCH_CONCURRENCY ?? 50),
});
worker.on("error", (error) => console.error(error));
process.on("SIGTERM", () => worker.close().then(() => process.exit(0)));
