// What the page does while it is open: it reads the documents, listens to the stream of events, and shows what is new.
// It gives no order.
import { at, show } from "./nodes.js";
import { events, findPackage, showPackage } from "./package.js";
import { ask, enter, get, leave, noDaemon, noServer, notLetIn, session, setLink, waiting, whenLetIn } from "./session.js";
import { refusal, showDays, showRoaming, showStatus, showUsage } from "./status.js";
import { readTrail } from "./trail.js";

const rememberedEvents = 3000;
const statusEveryMs = 1000;
const idleRefreshMs = 10_000;
const slowRefreshMs = 60_000;
const maxBackOffMs = 15_000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const read = { seq: -1, slowAtMs: Number.NEGATIVE_INFINITY };
async function refresh() {
  const { ok, status, body } = await get("/status");
  if (status === 401) return;
  if (!ok) {
    read.seq = -1;
    return waiting(noDaemon);
  }
  waiting("");
  setLink(isListening ? "live" : "reconnecting", isListening ? "good" : "warn");
  showStatus(body);
  const isDue = performance.now() - read.slowAtMs > slowRefreshMs;
  if (body.audit.seq === read.seq && !isDue) return showPackage();
  const readRecords = async () => {
    const isRead = await readTrail(body.audit.seq);
    if (isRead) await findPackage();
    return isRead;
  };
  const [isRead, roaming, usage, days] = await Promise.all([readRecords(), ...["/roaming", "/usage", "/usage/days"].map(get)]);
  read.seq = isRead ? body.audit.seq : -1;
  read.slowAtMs = performance.now();
  if (roaming.ok) showRoaming(roaming.body);
  else show("roaming", roaming.body, () => refusal("The roaming days are not shown", roaming.body));
  showUsage(usage);
  showDays(days);
  showPackage();
}

let wake = () => {};
let isStale = false;
function touch() {
  isStale = true;
  wake();
}
async function keepReading() {
  for (;;) {
    await whenLetIn();
    isStale = false;
    // What does not answer at all is the server of this page.
    await refresh().catch((error) => waiting(error instanceof TypeError ? noServer : noDaemon));
    await sleep(statusEveryMs);
    if (isStale) continue;
    const isWaiting = !at("waiting").hidden;
    await Promise.race([
      new Promise((resolve) => {
        wake = resolve;
      }),
      sleep(isWaiting ? statusEveryMs : idleRefreshMs),
    ]);
  }
}

let isListening = false;
let lastId = 0;
async function listenOnce() {
  const { key } = session;
  const response = await ask(`/events?after=${lastId}`);
  if (response.status === 401) return leave(key);
  if (!response.ok || response.body === null) throw new Error("no stream");
  isListening = true;
  touch();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.trim() !== "") take(line);
  }
}

function take(line) {
  let event;
  try {
    event = JSON.parse(line);
  } catch {
    return;
  }
  if (typeof event?.kind !== "string" || typeof event.id !== "number") return;
  // A gap comes before all that is remembered, which would otherwise be here twice.
  if (event.kind === "gap") events.length = 0;
  lastId = event.id;
  events.push(event);
  if (events.length > rememberedEvents) events.splice(0, events.length - rememberedEvents);
  touch();
}

async function keepListening() {
  let backOffMs = 500;
  for (;;) {
    await whenLetIn();
    const [before, beganMs] = [lastId, performance.now()];
    await listenOnce().catch(() => {});
    // A stream that began and ended at once is no reason to ask again at once: the daemon has too many listeners, or is about to go.
    const wasHeard = lastId !== before || performance.now() - beganMs > maxBackOffMs;
    backOffMs = wasHeard ? 500 : Math.min(backOffMs * 2, maxBackOffMs);
    isListening = false;
    touch();
    await sleep(backOffMs * (0.75 + Math.random() / 2));
  }
}

addEventListener("hashchange", enter);
await enter();
if (session.key === undefined) waiting(notLetIn);
keepReading();
keepListening();
