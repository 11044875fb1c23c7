// Where the benchmark's Redis is, for both sides.
const url = new URL(process.env.BENCH_URL);

export const connection = {
  host: url.hostname,
  port: Number(url.port),
  password: url.password,
  maxRetriesPerRequest: null,
};
export const name = "bench";
