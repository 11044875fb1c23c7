// Submit jobs to BullMQ: the same requests and answers as driver/jobdriver.py, one JSON line each.
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { connection, name } from "./connection.js";

const queue = new Queue(name, { connection });
const redis = new Redis(connection);
const now = () => Number(process.hrtime.bigint()) / 1e9;
const cpu = () => { const used = process.cpuUsage(); return (used.user + used.system) / 1e6; };
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const version = (pkg) => JSON.parse(readFileSync(`node_modules/${pkg}/package.json`)).version;
let expected = [];

const pairs = (n) => Array.from({ length: n }, (_, y) => ({ x: Math.floor(Math.random() * 1e6), y }));

async function one(list) {
  const ids = [];
  for (const data of list) ids.push((await queue.add("add", data)).id);
  return ids;
}

async function many(list) {
  const ids = [];
  for (let i = 0; i < list.length; i += 1000) {
    const part = list.slice(i, i + 1000).map((data) => ({ name: "add", data }));
    ids.push(...(await queue.addBulk(part)).map((job) => job.id));
  }
  return ids;
}

async function results(ids) {
  const pipe = redis.pipeline();
  for (const id of ids) pipe.hget(`bull:${name}:${id}`, "returnvalue");
  return (await pipe.exec()).map(([, value]) => (value == null ? null : JSON.parse(value)));
}

async function scan(list) {
  const missing = [], wrong = [];
  for (let i = 0; i < list.length; i += 500) {
    const part = list.slice(i, i + 500);
    const got = await results(part.map(([id]) => id));
    part.forEach((row, k) => {
      if (got[k] === null) missing.push(row);
      else if (got[k] !== row[1]) wrong.push([row[0], row[1], String(got[k])]);
    });
  }
  return { missing, wrong };
}

const answer = {
  versions: async () => ({ versions: { bullmq: version("bullmq"), ioredis: version("ioredis") }, python: `node ${process.versions.node}` }),
  submit: async ({ n, bulk }) => {
    const list = pairs(n), [used, start] = [cpu(), now()];
    const ids = await (bulk ? many : one)(list);
    const reply = { cpu: cpu() - used, wall: now() - start };
    ids.forEach((id, i) => expected.push([id, list[i].x + list[i].y]));
    return reply;
  },
  nap: async ({ n, steps, seconds }) => {
    for (let i = 0; i < n; i += 1) expected.push([(await queue.add("nap", { steps, seconds })).id, steps]);
    return {};
  },
  wait: async ({ seconds, poll = 0.005 }) => {
    const deadline = now() + seconds, total = expected.length;
    let missing = expected, wrong = [], finished = null;
    while (missing.length && now() < deadline) {
      const moment = now();
      if ((await results(missing.slice(-50).map(([id]) => id))).includes(null)) { await sleep(poll * 1000); continue; }
      const seen = await scan(missing);
      missing = seen.missing; wrong = wrong.concat(seen.wrong);
      finished = missing.length ? null : moment;
    }
    expected = [];
    return { finished, found: total - missing.length - wrong.length, missing: missing.length, wrong: wrong.slice(0, 3) };
  },
  latency: async ({ n, pause = 0.01 }) => {
    const seconds = [];
    for (let i = 0; i < n; i += 1) {
      await sleep(pause * 1000);
      const start = now(), ids = await one([{ x: i, y: 1 }]);
      while ((await results(ids))[0] === null) {
        if (now() - start > 10) return { seconds, missing: 1 };
        await new Promise(setImmediate);
      }
      seconds.push(now() - start);
    }
    return { seconds, missing: 0 };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  process.stdout.write(JSON.stringify(await answer[request.do](request)) + "\n");
}
process.exit(0);
