// One end of real traffic, as a process of its own in a network namespace: told what to do in JSON lines, answers in JSON lines.
import dgram from "node:dgram";
import net from "node:net";
import { createInterface } from "node:readline";

const uid = Number(process.argv[2] ?? 0);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const heard = new Map();
const open = new Map();
let stream;
/** What is still to be answered, while answers are held back. */
let held;
const answer = (act) => (held === undefined ? act() : held.push(act));

function serve(port) {
  for (const type of ["udp4", "udp6"]) {
    const socket = dgram.createSocket({ type, ipv6Only: type === "udp6", recvBufferSize: 4_194_304 });
    socket.on("message", (octets, from) => {
      const [who] = octets.toString("latin1").split(" ", 1);
      const before = heard.get(who) ?? { datagrams: 0, bytes: 0 };
      heard.set(who, { datagrams: before.datagrams + 1, bytes: before.bytes + octets.length + (type === "udp4" ? 28 : 48) });
      if (octets.at(-1) === 63) answer(() => socket.send(octets, from.port, from.address));
    });
    socket.bind(port, type === "udp4" ? "0.0.0.0" : "::");
  }
  for (const host of ["0.0.0.0", "::"]) {
    net
      .createServer((socket) => {
        socket.on("error", () => {});
        socket.on("data", (octets) => answer(() => socket.write(octets)));
      })
      .listen({ host, port, ipv6Only: true });
  }
}

/** "answered", "refused" when the kernel says so, "silent" after waitMs. */
function ask({ host, port, who, waitMs = 1000, bytes = 0, localPort = 0 }) {
  return new Promise((resolve) => {
    const socket = dgram.createSocket({ type: net.isIP(host) === 6 ? "udp6" : "udp4", reuseAddr: true });
    const end = (said) => {
      clearTimeout(timer);
      socket.removeAllListeners("message");
      socket.close();
      resolve(said);
    };
    const timer = setTimeout(() => end("silent"), waitMs);
    socket.on("error", (error) => end(`refused ${error.code}`));
    socket.on("message", () => end("answered"));
    socket.bind(localPort, () =>
      socket.connect(port, host, (failure) => {
        if (failure) return end(`refused ${failure.code}`);
        socket.send(`${who} ${"x".repeat(bytes)}?`, (error) => {
          if (error) end(`refused ${error.code}`);
        });
      }),
    );
  });
}

function connect({ id, host, port, waitMs = 1000 }) {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    const timer = setTimeout(() => resolve("silent"), waitMs);
    socket.on("error", (error) => resolve(`refused ${error.code}`));
    socket.on("connect", () => {
      clearTimeout(timer);
      open.set(id, socket);
      resolve("connected");
    });
  });
}

function talk({ id, waitMs = 1000 }) {
  return new Promise((resolve) => {
    const socket = open.get(id);
    const timer = setTimeout(() => resolve("silent"), waitMs);
    socket.once("data", () => {
      clearTimeout(timer);
      resolve("answered");
    });
    socket.write("hello");
  });
}

/** Datagrams without end, one a millisecond, until told otherwise. Refusals are what is wanted. */
function flood({ hosts, port, who, bytes = 100 }) {
  const sockets = hosts.map((host) => ({ host, socket: dgram.createSocket(net.isIP(host) === 6 ? "udp6" : "udp4").on("error", () => {}) }));
  let tried = 0;
  let sent = 0;
  let wire = 0;
  const timer = setInterval(() => {
    tried += sockets.length;
    for (const { host, socket } of sockets)
      socket.send(`${who} ${"x".repeat(bytes)}`, port, host, (error) => {
        if (error) return;
        sent++;
        wire += who.length + 1 + bytes + (net.isIP(host) === 6 ? 48 : 28);
      });
  }, 1);
  stream = () => {
    clearInterval(timer);
    return new Promise((resolve) =>
      setTimeout(() => {
        for (const { socket } of sockets) socket.close();
        resolve({ tried, datagrams: sent, bytes: wire });
      }, 100),
    );
  };
  return "flooding";
}

const acts = {
  serve: async ({ port }) => serve(port),
  ask,
  connect,
  talk,
  flood: async (order) => flood(order),
  calm: () => stream(),
  hold: async () => {
    held = [];
  },
  held: async () => held.length,
  release: async () => {
    const all = held;
    held = undefined;
    for (const act of all) act();
  },
  heard: async ({ who }) => heard.get(who) ?? { datagrams: 0, bytes: 0 },
};

if (uid !== 0) {
  process.setgid(uid);
  process.setuid(uid);
}
createInterface({ input: process.stdin }).on("line", async (line) => {
  const { at, act, ...order } = JSON.parse(line);
  say({ at, said: (await acts[act](order)) ?? null });
});
process.stdin.on("end", () => process.exit(0));
say({ ready: true });
