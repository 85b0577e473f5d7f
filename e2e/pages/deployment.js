/** The programs of the tests, on the stores that `scripts/test-pages` has started. */
import assert from "node:assert";
import { execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, openSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";

const { PROGRAMS, SCRIPTS, LOGS } = process.env;
const READY_MS = 60_000;

export const CHECKOUT_URL = "https://shop.example/pay/{orderId}";
export const ADMIN_TOKEN = "only-for-these-tests";
const API_SETTINGS = {
  ADMIN_TOKEN,
  READ_DATABASE_URL: process.env.DATABASE_URL,
  PAGES: "on",
  PAGES_CHECKOUT_URL: CHECKOUT_URL,
  SALE_FEATURES: "holds,queue",
  QUEUE_SECRETS: "0123456789abcdef0123456789abcdef",
};

/** One instance of the API and one worker. */
export class Deployment {
  #processes = new Map();

  static async start() {
    const deployment = new Deployment();
    deployment.port = await freePort();
    deployment.url = `http://localhost:${deployment.port}`;
    deployment.#startInstance();
    deployment.#spawn("inventory-worker", { HTTP_ADDR: `127.0.0.1:${await freePort()}`, MIGRATE_ON_START: "on" });
    await deployment.#untilReady();
    return deployment;
  }

  #startInstance() {
    this.#spawn("ingest-api", { HTTP_ADDR: `127.0.0.1:${this.port}`, ...API_SETTINGS });
  }

  /** Starts a further instance, with more settings; returns its URL. */
  async another(settings) {
    const port = await freePort();
    const name = `ingest-api-${port}`;
    this.#spawn("ingest-api", { HTTP_ADDR: `127.0.0.1:${port}`, ...API_SETTINGS, ...settings }, name);
    const url = `http://localhost:${port}`;
    await this.#untilReady(name, url);
    return url;
  }

  /** Starts nginx in front of the instance, as docker/nginx.conf configures it, until the test ends; returns its URL. */
  async proxied(t) {
    const [port, health, folder] = [await freePort(), await freePort(), `${LOGS}/nginx`];
    const instance = `127.0.0.1:${this.port}`;
    const configuration = execFileSync(`${SCRIPTS}/nginx-conf`, [port, health, folder, instance]);
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/nginx.conf`, configuration);
    const log = openSync(`${LOGS}/nginx.log`, "a");
    const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
    const nginx = ["-p", folder, "-e", "stderr", "-c", "nginx.conf", "-g", "daemon off;"];
    const started = spawn("nginx", nginx, { env, stdio: ["ignore", log, log] });
    t.after(() => started.kill("SIGTERM"));
    const isUp = () => fetch(`http://127.0.0.1:${health}/health`).then((it) => it.ok, () => false);
    await until("nginx answers", isUp);
    return `http://localhost:${port}`;
  }

  /** Kills the instance, and starts it again when `meanwhile` has ended. */
  async withoutInstance(meanwhile) {
    const instance = this.#processes.get("ingest-api");
    const ended = new Promise((resolve) => instance.once("exit", resolve));
    instance.kill("SIGKILL");
    await ended;
    try {
      await meanwhile();
    } finally {
      this.#startInstance();
    }
    await this.#untilReady();
  }

  stop() {
    for (const process of this.#processes.values()) {
      process.kill("SIGKILL");
    }
  }

  /** Opens a sale with a new product id, which it returns. Times are in seconds from now. */
  async open(terms, { opensIn, closesIn } = {}) {
    const product = `lamp-${randomUUID().slice(0, 8)}`;
    await this.openAs(product, terms, { opensIn, closesIn });
    return product;
  }

  async openAs(product, terms, { opensIn, closesIn } = {}) {
    const at = (seconds) => seconds && new Date(Date.now() + 1_000 * seconds).toISOString();
    const body = { ...terms, opensAt: at(opensIn), closesAt: at(closesIn) };
    let answer;
    // 503 until Kafka has acknowledged the opening; the same terms are answered 200 then.
    await until(`the sale of ${product} is open`, async () => {
      answer = await this.admin("PUT", `/products/${product}`, body);
      return answer.status !== 503;
    });
    assert.ok([200, 201].includes(answer.status), JSON.stringify(answer.body));
  }

  sale(product) {
    return this.call("GET", `/products/${product}`).then(({ body }) => body);
  }

  /** Waits until a sale has so many units left: its view is up to 250 ms old. */
  remains(product, units) {
    return until(`${units} units remain`, async () => (await this.sale(product)).remaining === units);
  }

  /** Places an order of somebody else, whose id it returns. */
  order(product, quantity) {
    return this.orderAt(this.url, product, quantity);
  }

  async orderAt(url, product, quantity = 1) {
    const headers = { "Idempotency-Key": randomUUID() };
    const body = { productId: product, userId: randomUUID(), quantity };
    const answer = await call(url, "POST", "/orders", body, headers);
    assert.equal(answer.status, 202, JSON.stringify(answer.body));
    return answer.body.orderId;
  }

  /** The shop changes how a queue is served. */
  async changeQueue(product, patch) {
    const key = { "Idempotency-Key": randomUUID() };
    const answer = await this.admin("PATCH", `/queue/${product}`, patch, key);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  }

  admin(method, path, body, headers = {}) {
    return this.call(method, path, body, { Authorization: `Bearer ${ADMIN_TOKEN}`, ...headers });
  }

  call(method, path, body, headers) {
    return call(this.url, method, path, body, headers);
  }

  #untilReady(name = "ingest-api", url = this.url) {
    return until(`${name} is ready`, () => {
      const hasEnded = this.#processes.get(name).exitCode !== null;
      assert.ok(!hasEnded, `it has ended; see ${LOGS}/${name}.log`);
      return fetch(`${url}/readyz`).then((it) => it.ok, () => false);
    });
  }

  #spawn(program, settings, name = program) {
    const log = openSync(`${LOGS}/${name}.log`, "a");
    const env = { ...process.env, ...settings };
    this.#processes.set(name, spawn(`${PROGRAMS}/${program}`, { env, stdio: ["ignore", log, log] }));
  }
}

async function call(url, method, path, body, headers = {}) {
  const type = body ? { "Content-Type": "application/json" } : {};
  const init = { method, headers: { ...type, ...headers }, body: body && JSON.stringify(body) };
  const response = await fetch(url + path, init);
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** Waits until a condition holds. */
export async function until(condition, holds, withinMs = READY_MS) {
  const deadline = Date.now() + withinMs;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, `not in time: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
